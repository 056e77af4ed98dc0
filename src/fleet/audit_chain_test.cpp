// WP-19: the audit log is a chain that shows what was done to it, on both databases.

#include "fleet/audit_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/digest.h"
#include "fleet/sealer.h"
#include "store/drivers.h"
#include "store/testing/outcomes.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Transaction;
using store::testing::Outcomes;
using store::testing::PostgresCluster;
using namespace std::chrono_literals;

const base::Instant kNow = base::from_unix_ms(1'700'000'000'000);
const Sealer kSealer{base::Secret(std::string(32, 'k'))};

AuditEntry entry(std::string action, base::Instant at = kNow) {
  return {.at = at,
          .actor_id = "usr_1",
          .action = std::move(action),
          .resource_type = "workspace",
          .resource_id = "w-1",
          .request_id = "req_1",
          .remote = "127.0.0.1:4711",
          .details = json::Object{{"name", "Grüße \"\n\t\x01 世界"}, {"size", 1.5}}};
}

class AuditChainTest : public ::testing::TestWithParam<Dialect> {
 protected:
  AuditChainTest()
      : url_(GetParam() == Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                           : PostgresCluster::shared().create_database()),
        database_(open()) {}

  std::unique_ptr<store::Database> open() {
    auto database = store::open(url_);
    keep_audit(*database, chain_);
    return database;
  }
  void write(store::Work work) { database_->write_and_wait(std::move(work)); }
  void audit_now(const std::string& action, base::Instant at = kNow) {
    write([&](Transaction& tx) { audit(tx, entry(action, at)); });
  }
  void audit_many(int count) {
    for (int i = 0; i < count; ++i) audit_now("action." + std::to_string(i));
  }
  // What somebody does who has the database, and no regard for triggers.
  void tamper(std::vector<std::string> statements) {
    static const std::vector<std::string> kSqlite{"DROP TRIGGER IF EXISTS audit_log_is_not_changed",
                                                  "DROP TRIGGER IF EXISTS audit_log_is_not_shortened"};
    static const std::vector<std::string> kPostgres{"ALTER TABLE audit_log DISABLE TRIGGER USER"};
    const auto& first = GetParam() == Dialect::sqlite ? kSqlite : kPostgres;
    statements.insert(statements.begin(), first.begin(), first.end());
    write([&](Transaction& tx) {
      for (const auto& statement : statements) tx.execute(statement);
    });
  }
  AuditReport verify(std::int64_t slice = kAuditSlice) {
    AuditReport report;
    AuditPlace from;
    do {
      database_->read_and_wait([&](Transaction& tx) { report = verify_audit(tx, chain_, from, slice); });
      from = report.reached;
    } while (!report.is_complete && !report.fault);
    return report;
  }
  // "" for a chain that is whole.
  std::string fault() {
    const auto report = verify();
    return report.fault ? std::to_string(report.fault->seq) + ": " + report.fault->reason : "";
  }
  std::string exported(std::optional<base::Instant> since = {}, std::optional<base::Instant> until = {}) {
    std::string text;
    database_->read_and_wait([&](Transaction& tx) {
      text.clear();
      for (auto range = audit_range(tx, since, until); range.first <= range.last;) text += export_audit(tx, range, 2);
    });
    return text;
  }
  AuditHead head() {
    AuditHead head;
    database_->read_and_wait([&](Transaction& tx) {
      const auto row = tx.query("SELECT seq, hash, seal FROM audit_head").at(0);
      head = {{row.integer(0), row.text(1)}, row.text(2)};
    });
    return head;
  }

  store::testing::TemporaryFolder folder_;
  const std::string url_;
  int broken_ = 0;
  const AuditChain chain_{kSealer, [this] { ++broken_; }};
  std::unique_ptr<store::Database> database_;
};

INSTANTIATE_TEST_SUITE_P(On, AuditChainTest, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

TEST_P(AuditChainTest, WP19_EntriesOfAllWritersAreOneChainWhoseHeadIsSealed) {
  EXPECT_EQ(fault(), "");  // none yet
  audit_many(5);
  const auto report = verify(2);
  EXPECT_FALSE(report.fault);
  EXPECT_TRUE(report.seal_fits);
  EXPECT_EQ(report.reached.seq, 5);
  EXPECT_EQ(report.reached, report.head);
}

TEST_P(AuditChainTest, WP19_AnEntryIsStoredWithItsDeedOrNotAtAll) {
  EXPECT_THROW(write([](Transaction& tx) {
                 audit(tx, entry("never"));
                 tx.execute("INSERT INTO users (id, name, role, created_at) VALUES ('a', 'a', 'admin', 1)");
                 throw base::internal_error("changed its mind");
               }),
               base::Error);
  audit_now("done");
  const auto report = verify();
  EXPECT_FALSE(report.fault);
  EXPECT_EQ(report.reached.seq, 1);
}

TEST_P(AuditChainTest, WP19_TheDatabaseItselfRefusesChanges) {
  audit_many(2);
  for (const auto* sql : {"UPDATE audit_log SET actor_id = 'usr_2' WHERE seq = 1", "DELETE FROM audit_log"})
    EXPECT_THROW(write([&](Transaction& tx) { tx.execute(sql); }), base::Error) << sql;
  EXPECT_EQ(fault(), "");
}

TEST_P(AuditChainTest, WP19_AChangeOfAnyColumnIsSeen) {
  audit_many(3);
  const std::vector<std::pair<std::string, std::string>> changes{
      {"at", "at + 1"},           {"at", "-1"},
      {"actor_id", "'usr_2'"},    {"action", "'action'"},
      {"resource_type", "'run'"}, {"resource_id", "''"},
      {"outcome", "'denied'"},    {"request_id", "'req_2'"},
      {"remote", "'here'"},       {"details", "'{}'"},
      {"details", "'no json'"},   {"hash", "'" + std::string(64, 'a') + "'"},
      {"prev_hash", "''"}};
  for (const auto& [column, value] : changes) {
    tamper({"CREATE TABLE was AS SELECT " + column + " AS value FROM audit_log WHERE seq = 2",
            "UPDATE audit_log SET " + column + " = " + value + " WHERE seq = 2"});
    EXPECT_EQ(fault(), "2: it was changed: its hash does not fit") << column << " = " << value;
    tamper({"UPDATE audit_log SET " + column + " = (SELECT value FROM was) WHERE seq = 2", "DROP TABLE was"});
    EXPECT_EQ(fault(), "") << column;
  }
}

TEST_P(AuditChainTest, WP19_EntriesThatWereTakenOutOrPutElsewhereAreMissed) {
  audit_many(5);
  tamper({"UPDATE audit_log SET seq = 100 WHERE seq = 2"});
  EXPECT_EQ(fault(), "2: entry 2 is missing");
  tamper({"UPDATE audit_log SET seq = 2 WHERE seq = 3", "UPDATE audit_log SET seq = 3 WHERE seq = 100"});
  EXPECT_EQ(fault(), "2: it was changed: its hash does not fit");
}

TEST_P(AuditChainTest, WP19_AChainThatWasCutEndsBeforeItsHead) {
  audit_many(5);
  tamper({"DELETE FROM audit_log WHERE seq > 3"});
  EXPECT_EQ(fault(), "4: entries 4 to 5 are missing");
}

TEST_P(AuditChainTest, WP19_AnEntryBehindTheHeadIsNoneOfOurs) {
  audit_many(2);
  const auto before = head();
  audit_now("third");
  tamper({"UPDATE audit_head SET seq = 2, hash = '" + before.place.hash + "', seal = '" + before.seal + "'"});
  EXPECT_EQ(fault(), "3: it stands behind the head of the chain");
}

// The whole of it, consistently, by somebody who knows how hashes are made: only the seal is beyond him.
TEST_P(AuditChainTest, WP19_AChainMadeAnewIsToldByItsSeal) {
  audit_many(2);
  {
    const Sealer other(base::Secret(std::string(32, 'x')));
    const auto forger = store::open(GetParam() == Dialect::sqlite ? (folder_.path() / "forged.db").string()
                                                                  : PostgresCluster::shared().create_database());
    keep_audit(*forger, AuditChain(other));
    std::vector<std::string> forged;
    forger->write_and_wait([](Transaction& tx) { audit(tx, entry("innocent")); });
    forger->read_and_wait([&](Transaction& tx) {
      const auto row = tx.query("SELECT hash, details FROM audit_log").at(0);
      const auto seal = tx.query("SELECT seal FROM audit_head").at(0).text(0);
      forged = {"DELETE FROM audit_log WHERE seq = 2",
                "UPDATE audit_log SET action = 'innocent', hash = '" + row.text(0) + "' WHERE seq = 1",
                "UPDATE audit_head SET seq = 1, hash = '" + row.text(0) + "', seal = '" + seal + "'"};
    });
    tamper(forged);
  }
  const auto report = verify();
  EXPECT_FALSE(report.fault);
  EXPECT_FALSE(report.seal_fits);
  // And what is written after it does not heal it.
  audit_now("after");
  EXPECT_FALSE(verify().seal_fits);
  EXPECT_EQ(verify().reached.seq, 2);
  EXPECT_EQ(broken_, 1);
  audit_now("after that");
  EXPECT_FALSE(verify().seal_fits);
}

TEST_P(AuditChainTest, WP19_WhateverWasDoneToTheHeadEntriesAreTakenAndTheBreakStays) {
  audit_many(3);
  tamper({"DELETE FROM audit_head"});
  EXPECT_FALSE(verify().seal_fits);
  audit_now("fourth");
  EXPECT_EQ(fault(), "");
  EXPECT_FALSE(verify().seal_fits);
  tamper({"UPDATE audit_head SET seq = 1"});
  audit_now("fifth");
  EXPECT_EQ(verify().reached.seq, 5);
  EXPECT_FALSE(verify().seal_fits);
}

// Its seal was right once.
TEST_P(AuditChainTest, WP19_AHeadOfYesterdayIsNotGoneOnFrom) {
  audit_many(2);
  const auto yesterday = head();
  audit_now("third");
  tamper({"UPDATE audit_head SET seq = 2, hash = '" + yesterday.place.hash + "', seal = '" + yesterday.seal + "'"});
  audit_now("fourth");
  EXPECT_EQ(fault(), "");
  EXPECT_FALSE(verify().seal_fits);
}

TEST_P(AuditChainTest, WP19_OldEntriesJoinTheChainWhenAHubStarts) {
  write([](Transaction& tx) {
    for (int i = 0; i < 450; ++i)
      tx.execute(
          "INSERT INTO audit (at, actor_id, action, resource_type, resource_id, request_id, remote, details) "
          "VALUES ($1, 'usr_1', $2, 'workspace', 'w', 'req', '', '{\"a\":1}')",
          {kNow, "old." + std::to_string(i)});
  });
  chain_old_entries(*database_);
  chain_old_entries(*database_);
  audit_now("new");
  EXPECT_EQ(fault(), "");
  database_->read_and_wait([](Transaction& tx) {
    EXPECT_EQ(find_audit(tx, 1)->action, "old.0");
    EXPECT_EQ(find_audit(tx, 450)->action, "old.449");
    EXPECT_EQ(find_audit(tx, 451)->action, "new");
    EXPECT_EQ(tx.query("SELECT COUNT(*) FROM audit").at(0).integer(0), 0);
  });
}

// ---- exports

TEST_P(AuditChainTest, WP19_AnExportIsFollowedLineByLine) {
  audit_many(5);
  AuditCheck check;
  std::istringstream lines(exported());
  for (std::string line; std::getline(lines, line);) {
    const auto fault = check.follow_line(line);
    EXPECT_FALSE(fault) << fault->reason;
    EXPECT_EQ(json::parse_value(line).at("hash").as_string(), check.place().hash);
  }
  EXPECT_EQ(check.place(), head().place);
}

TEST_P(AuditChainTest, WP19_AnExportThatWasChangedIsNotFollowed) {
  audit_many(3);
  const auto text = exported();
  const auto first = text.substr(0, text.find('\n'));
  const auto second = text.substr(first.size() + 1, text.find('\n', first.size() + 1) - first.size() - 1);
  const auto fault_of = [](const std::string& line) {
    const auto fault = AuditCheck().follow_line(line);
    return fault ? fault->reason : "";
  };
  EXPECT_EQ(fault_of(first), "");
  EXPECT_EQ(fault_of(second), "entry 1 is missing");
  EXPECT_EQ(fault_of(""), "its line is none of an export");
  EXPECT_EQ(fault_of(first.substr(1)), "its line is none of an export");
  auto changed = first;
  changed.replace(changed.find("usr_1"), 5, "usr_2");
  EXPECT_EQ(fault_of(changed), "it was changed: its hash does not fit");
}

TEST_P(AuditChainTest, WP19_AnExportOfATimeIsAChainFromItsFirstToItsLastEntry) {
  // Clocks of replicas differ.
  for (const auto offset : {0s, 10s, 5s, 20s, 15s, 30s}) audit_now("at", kNow + offset);
  const auto places = [&](std::optional<base::Instant> since, std::optional<base::Instant> until) {
    std::vector<std::int64_t> seqs;
    std::istringstream lines(exported(since, until));
    for (std::string line; std::getline(lines, line);) seqs.push_back(json::parse_value(line).at("seq").as_int64());
    return seqs;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(places(kNow + 10s, kNow + 20s), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(places(kNow + 30s, {}), ElementsAre(6));
  EXPECT_THAT(places(kNow + 31s, {}), ElementsAre());
  EXPECT_THAT(places({}, kNow), ElementsAre());
}

// What somebody puts into the table does not become lines of its own.
TEST_P(AuditChainTest, WP19_AForgedLineBreakStaysInsideItsLine) {
  audit_many(1);
  tamper({"UPDATE audit_log SET details = '{}\n{\"seq\":2}'"});
  const auto text = exported();
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_TRUE(AuditCheck().follow_line(text.substr(0, text.size() - 1)));
  database_->read_and_wait([](Transaction& tx) { EXPECT_TRUE(find_audit(tx, 1)->details.is_string()); });
}

// ---- questions

TEST_P(AuditChainTest, WP19_EntriesAreFoundByWhoWhatWhenAndOutcome) {
  write([](Transaction& tx) {
    auto one = entry("workspace.create");
    auto two = entry("workspace.delete", kNow + 1h);
    two.actor_id = std::string(kHubActor);
    two.outcome = AuditOutcome::failure;
    auto three = entry("api-key.create", kNow + 2h);
    three.resource_type = "api-key";
    three.resource_id = "key_1";
    for (const auto& each : {one, two, three}) audit(tx, each);
  });
  const auto found = [&](const AuditFilter& filter) {
    std::vector<std::int64_t> seqs;
    database_->read_and_wait([&](Transaction& tx) {
      seqs.clear();
      for (const auto& each : list_audit(tx, filter, std::nullopt, 10)) seqs.push_back(each.seq);
      EXPECT_EQ(count_audit(tx, filter), std::int64_t(seqs.size()));
    });
    return seqs;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(found({}), ElementsAre(3, 2, 1));
  EXPECT_THAT(found({.actor_id = "usr_1"}), ElementsAre(3, 1));
  EXPECT_THAT(found({.action = "workspace."}), ElementsAre(2, 1));
  EXPECT_THAT(found({.action = "workspace.c"}), ElementsAre(1));
  EXPECT_THAT(found({.action = "%"}), ElementsAre());
  EXPECT_THAT(found({.resource_type = "workspace", .resource_id = "w-1"}), ElementsAre(2, 1));
  EXPECT_THAT(found({.outcome = AuditOutcome::failure}), ElementsAre(2));
  EXPECT_THAT(found({.since = kNow + 1h, .until = kNow + 2h}), ElementsAre(2));
  database_->read_and_wait([](Transaction& tx) {
    EXPECT_EQ(list_audit(tx, {}, 3, 1).at(0).seq, 2);
    EXPECT_EQ(find_audit(tx, 9), std::nullopt);
    EXPECT_EQ(find_audit(tx, 2)->outcome, AuditOutcome::failure);
  });
}

TEST(AuditPlace, ReadsWhatItWrites) {
  const AuditPlace place{17, base::sha256_hex("x")};
  EXPECT_EQ(parse_audit_place(place.str()), place);
  for (const auto* text : {"", "17", "17:", ":abc", "-1:abc", "x:abc", "17:ABCDEF"})
    EXPECT_FALSE(parse_audit_place(text)) << text;
}

// ---- several replicas, and crashes

class AuditReplicas : public AuditChainTest {};
INSTANTIATE_TEST_SUITE_P(On, AuditReplicas, ::testing::Values(Dialect::postgres),
                         [](const auto&) { return "Postgres"; });

TEST_P(AuditReplicas, WP19_TenThousandEntriesOfTwoReplicasAreOneUnbrokenChain) {
  constexpr int kEach = 5'000, kRows = 16;
  write([](Transaction& tx) {
    tx.execute("CREATE TABLE counters (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)");
    for (int i = 0; i < kRows; ++i) tx.execute("INSERT INTO counters VALUES ($1, 0)", {i});
  });
  const auto other = open();
  Outcomes outcomes;
  const auto write_all = [&](store::Database& database, int from) {
    for (int i = from; i < from + kEach; ++i) {
      database.write(
          [i](Transaction& tx) {
            // Rows that the other replica wants, too, in another order: the lock on the head has to come after them.
            if (i % 50 == 0) tx.execute("UPDATE counters SET value = value + 1 WHERE id = $1", {i / 50 % kRows});
            audit(tx, entry("action." + std::to_string(i)));
            if (i % 100 == 99) throw base::internal_error("every hundredth comes to nothing");
          },
          outcomes.done(i));
      while (database.statistics().queued > 200) std::this_thread::yield();
    }
  };
  std::jthread first([&] { write_all(*database_, 0); });
  std::jthread second([&] { write_all(*other, kEach); });
  first.join();
  second.join();
  EXPECT_EQ(outcomes.failed(), std::size_t(2 * kEach / 100));
  const auto report = verify();
  EXPECT_FALSE(report.fault) << report.fault->reason;
  EXPECT_TRUE(report.seal_fits);
  EXPECT_EQ(report.reached.seq, 2 * kEach - 2 * kEach / 100);
}

TEST_P(AuditReplicas, WP19_AServerThatCrashesMidwayLeavesAnUnbrokenChain) {
  auto& cluster = PostgresCluster::shared();
  // However long the server takes to come back.
  database_ = store::open_postgres(url_, {.give_up_after = std::chrono::minutes(5)});
  keep_audit(*database_, chain_);
  Outcomes outcomes;
  int written = 0;
  std::jthread writer([&](const std::stop_token& crashed) {
    for (; !crashed.stop_requested(); ++written) {
      const int i = written;
      database_->write([i](Transaction& tx) { audit(tx, entry("action." + std::to_string(i))); }, outcomes.done(i));
      while (database_->statistics().queued > 20) std::this_thread::yield();
    }
  });
  for (int crash = 0; crash < 2; ++crash) {
    const auto before = database_->statistics().writes;
    while (database_->statistics().writes < before + 50) std::this_thread::yield();
    cluster.crash();
    cluster.start();
  }
  writer.request_stop();
  writer.join();
  EXPECT_EQ(outcomes.failed(), 0u);
  const auto report = verify();
  EXPECT_FALSE(report.fault) << report.fault->reason;
  EXPECT_TRUE(report.seal_fits);
  EXPECT_EQ(report.reached.seq, written);
}

}  // namespace
}  // namespace slipway::fleet
