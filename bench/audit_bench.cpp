// What the chain of the audit log costs: writes a second of which each changes a row and is audited, with entries as
// they were before (a row of their own) and as links of the chain; in turns, so that both see the same machine.
//
//   audit_bench URL [WRITES]    prints {"rows_per_s":…,"chained_per_s":…,"ratio":…}

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <semaphore>
#include <vector>

#include "fleet/audit_chain.h"
#include "fleet/sealer.h"

namespace {

using namespace slipway;
using Steady = std::chrono::steady_clock;

constexpr int kRounds = 5;
constexpr int kWritesOfRound = 20'000;
constexpr std::int64_t kCounters = 64;

fleet::AuditEntry make_entry(int number) {
  return {.at = base::SystemClock().now(),
          .actor_id = "usr_01jh2k7v5m8q3w9x4y6z0abcde",
          .action = "workspace.create",
          .resource_type = "workspace",
          .resource_id = "0b9c2a44-6b1e-4a53-9d4e-" + std::to_string(number),
          .request_id = "req_01jh2k7v5m8q3w9x4y6z0abcde",
          .remote = "127.0.0.1:4711",
          .details = json::Object{{"name", "hello"}}};
}

// As it was done before the chain: a statement of its own in each work.
void insert_row(store::Transaction& tx, const fleet::AuditEntry& entry) {
  tx.execute(
      "INSERT INTO audit (at, actor_id, action, resource_type, resource_id, request_id, remote, details) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
      {entry.at, entry.actor_id, entry.action, entry.resource_type, entry.resource_id, entry.request_id, entry.remote,
       json::print_value(entry.details)});
}

using Write = void (*)(store::Transaction&, const fleet::AuditEntry&);
void insert_link(store::Transaction& tx, const fleet::AuditEntry& entry) { fleet::audit(tx, entry); }

// In seconds, until the last of them is durable. As many wait as a busy hub has callers.
double time_of(store::Database& database, Write write, int writes) {
  constexpr std::ptrdiff_t kWaiting = 256;
  std::counting_semaphore<kWaiting> room(kWaiting);
  std::promise<void> all_done;
  std::atomic<int> left = writes;
  const auto began = Steady::now();
  for (int i = 0; i < writes; ++i) {
    room.acquire();
    database.write(
        [i, write](store::Transaction& tx) {
          tx.execute("UPDATE counters SET value = value + 1 WHERE id = $1", {i % kCounters});
          write(tx, make_entry(i));
        },
        [&](std::exception_ptr failure) {
          if (failure) std::terminate();
          room.release();
          if (--left == 0) all_done.set_value();
        });
  }
  all_done.get_future().get();
  return std::chrono::duration<double>(Steady::now() - began).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: audit_bench URL [WRITES]\n");
    return 2;
  }
  const int writes = argc > 2 ? std::atoi(argv[2]) : kWritesOfRound;
  const auto database = store::open(argv[1]);
  fleet::keep_audit(*database, fleet::AuditChain(fleet::Sealer(base::Secret(std::string(32, 'k')))));
  database->write_and_wait([](store::Transaction& tx) {
    tx.execute("CREATE TABLE counters (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)");
    for (std::int64_t i = 0; i < kCounters; ++i) tx.execute("INSERT INTO counters VALUES ($1, 0)", {i});
  });
  std::vector<double> rows, chained, ratios;
  for (int round = 0; round < kRounds; ++round) {
    rows.push_back(writes / time_of(*database, insert_row, writes));
    chained.push_back(writes / time_of(*database, insert_link, writes));
    ratios.push_back(chained.back() / rows.back());
  }
  std::printf("{\"rows_per_s\":%.0f,\"chained_per_s\":%.0f,\"ratio\":%.2f}\n", median(rows), median(chained),
              median(ratios));
  return 0;
}
