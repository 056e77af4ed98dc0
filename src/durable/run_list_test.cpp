// Lists of runs: the right ones by every filter, page by page, and each page from an index; on both databases.

#include "durable/run_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/id_time.h"
#include "base/random.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::durable {
namespace {

using base::ReplicaId;
using journal::Filter;
using journal::RunOrder;
using store::Dialect;
using ::testing::ElementsAre;
using namespace std::chrono_literals;

const Instant kNow = base::from_unix_ms(1'700'000'000'000);
const ReplicaId kReplica("rep_1");

std::string id_at(Instant at, int n) {
  std::string tail = std::to_string(n);
  return base::id_beginning("run_", at) + std::string(16 - tail.size(), '0') + tail;
}

class RunList : public ::testing::TestWithParam<Dialect> {
 protected:
  RunList()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {
    database_->write_and_wait([](store::Transaction& tx) {
      tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ($1, 'test', 0)", {kReplica.str()});
    });
  }

  // Runs of every kind, a second apart.
  void add_random_runs(int count) {
    base::SeededRandom random(5);
    const auto one_of = [&](std::vector<std::string> values) { return values[random.next() % values.size()]; };
    database_->write_and_wait([&](store::Transaction& tx) {
      for (int i = 0; i < count; ++i) {
        RunRecord record{.id = RunId(id_at(kNow + i * 1s, i)),
                         .type = one_of({"a", "b", "c"}),
                         .resource_type = one_of({"vm", "cluster"}),
                         .resource_id = one_of({"r1", "r2", "r3"}),
                         .triggered_by = one_of({"ann", "bob", "sch_1"}),
                         .owner_id = one_of({"ann", "bob"}),
                         .input = json::Object{},
                         .started_at = kNow + i * 1s,
                         .replica = kReplica};
        if (i > 10 && i % 7 == 0) record.parent_id = id_at(kNow, 0);
        if (i > 10 && i % 11 == 0) record.retry_of = id_at(kNow + 1s, 1);
        journal::insert_run(tx, record);
        runs_.push_back({.record = record});
        if (random.next() % 4 == 0) continue;
        RunState state;
        state.status = std::vector{RunStatus::completed, RunStatus::failed, RunStatus::cancelled}[std::size_t(i) % 3];
        state.ended_at = kNow + i * 1s + 1min;
        state.needs_attention = state.status == RunStatus::failed && i % 2 == 0;
        journal::set_ended(tx, record.id, state);
        runs_.back().status = state.status;
        runs_.back().needs_attention = state.needs_attention;
      }
    });
  }

  // What a plain look at every run says.
  std::vector<std::string> expected(const Filter& filter) const {
    std::vector<std::string> ids;
    const auto fits = [](const auto& wanted, const auto& value) { return !wanted || *wanted == value; };
    const auto any = [](const auto& wanted, const auto& value) {
      return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
    };
    for (const auto& run : runs_) {
      const RunRecord& record = run.record;
      if (any(filter.types, record.type) && any(filter.statuses, run.status) &&
          fits(filter.resource_type, record.resource_type) && fits(filter.resource_id, record.resource_id) &&
          fits(filter.triggered_by, record.triggered_by) && fits(filter.owner_id, record.owner_id) &&
          fits(filter.parent_id, record.parent_id) && fits(filter.retry_of, record.retry_of) &&
          fits(filter.needs_attention, run.needs_attention) && (!filter.since || record.started_at >= *filter.since) &&
          (!filter.until || record.started_at < *filter.until))
        ids.push_back(record.id.str());
    }
    if (filter.order == RunOrder::newest_first) std::ranges::reverse(ids);
    return ids;
  }

  std::vector<std::string> listed(const Filter& filter) {
    std::vector<std::string> ids;
    database_->read_and_wait([&](store::Transaction& tx) {
      ids.clear();
      for (const auto& row : journal::list(tx, filter)) ids.push_back(row.record.id.str());
    });
    return ids;
  }

  std::vector<std::string> page_by_page(Filter filter) {
    filter.limit = 7;
    std::vector<std::string> all;
    for (;;) {
      const auto page = listed(filter);
      all.insert(all.end(), page.begin(), page.end());
      if (page.size() < 7) return all;
      filter.after = page.back();
    }
  }

  journal::Total total(const Filter& filter) {
    journal::Total total;
    database_->read_and_wait([&](store::Transaction& tx) { total = journal::total(tx, filter); });
    return total;
  }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
  std::vector<journal::Row> runs_;
};

// Each filter by itself, and pairs of them.
std::vector<Filter> filters() {
  const std::vector<std::function<void(Filter&)>> some{
      [](Filter&) {},
      [](Filter& f) { f.types = {"b"}; },
      [](Filter& f) { f.types = {"a", "c"}; },
      [](Filter& f) { f.statuses = {RunStatus::failed}; },
      [](Filter& f) { f.statuses = {RunStatus::running, RunStatus::cancelled}; },
      [](Filter& f) { f.statuses = {RunStatus::completed, RunStatus::failed}; },
      [](Filter& f) { f.resource_type = "vm"; },
      [](Filter& f) { f.resource_id = "r2"; },
      [](Filter& f) { f.triggered_by = "ann"; },
      [](Filter& f) { f.owner_id = "bob"; },
      [](Filter& f) { f.parent_id = id_at(kNow, 0); },
      [](Filter& f) { f.retry_of = id_at(kNow + 1s, 1); },
      [](Filter& f) { f.needs_attention = true; },
      [](Filter& f) { f.needs_attention = false; },
      [](Filter& f) { f.since = kNow + 100s; },
      [](Filter& f) { f.until = kNow + 100s; },
      [](Filter& f) { f.order = RunOrder::oldest_first; },
  };
  std::vector<Filter> all;
  for (const auto& one : some)
    for (const auto& other : some) {
      Filter filter;
      one(filter);
      other(filter);
      all.push_back(std::move(filter));
    }
  return all;
}

// WF-1
TEST_P(RunList, EveryPairOfFiltersFindsWhatALookAtEveryRunFindsPageByPage) {
  add_random_runs(300);
  for (const auto& filter : filters()) {
    EXPECT_EQ(page_by_page(filter), expected(filter));
    const auto counted = total(filter);
    EXPECT_FALSE(counted.is_estimate);
    EXPECT_EQ(counted.count, std::ssize(expected(filter)));
  }
}

TEST_P(RunList, ThePagesOfAListAreCountedByOffsetToo) {
  add_random_runs(60);
  const Filter both{.types = {"a", "b"}, .offset = 5, .limit = 5};
  auto all = expected(both);
  EXPECT_EQ(listed(both), std::vector<std::string>(all.begin() + 5, all.begin() + 10));
  EXPECT_TRUE(listed({.types = {"a", "b"}, .offset = 500}).empty());
}

// WF-1: a page that was read stays as it was while runs are being added
TEST_P(RunList, ACursorGoesOnWhereItWasWhateverCameSince) {
  add_random_runs(20);
  const auto all = expected({});
  const auto first = listed({.limit = 5});
  database_->write_and_wait([&](store::Transaction& tx) {
    journal::insert_run(tx, {.id = RunId(id_at(kNow + 1h, 999)),
                             .type = "a",
                             .input = json::Object{},
                             .started_at = kNow + 1h,
                             .replica = kReplica});
  });
  EXPECT_EQ(listed({.after = first.back(), .limit = 5}), std::vector<std::string>(all.begin() + 5, all.begin() + 10));
}

class ManyRuns : public RunList {
 protected:
  // 20,000 runs, one in ten of type "b"; none of them is running.
  void fill() {
    const bool postgres = GetParam() == Dialect::postgres;
    const std::string numbers =
        postgres ? "generate_series(0, 19999) AS numbers(n)"
                 : "(WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 19999) SELECT n FROM c) "
                   "AS numbers";
    const std::string id = postgres ? "lpad(CAST(n AS TEXT), 20, '0')" : "printf('%020d', n)";
    const std::string sql =
        "INSERT INTO runs (id, type, status, resource_type, resource_id, triggered_by, owner_id, input, started_at, "
        "completed_at) SELECT '" +
        base::id_beginning("run_", kNow).substr(0, 10) + "' || " + id +
        ", CASE WHEN n % 10 = 0 THEN 'b' ELSE 'a' END, 'completed', 'vm', 'r', 'ann', 'ann', '{}', " +
        std::to_string(base::to_unix_ms(kNow)) + " + n, " + std::to_string(base::to_unix_ms(kNow)) + " + n FROM " +
        numbers;
    database_->write_and_wait([&](store::Transaction& tx) { tx.execute(sql); });
    if (postgres) database_->write_and_wait([&](store::Transaction& tx) { tx.execute("ANALYZE runs"); });
  }
};

// P-5: what a total costs does not grow with the history.
TEST_P(ManyRuns, ALongListsTotalIsAnEstimateAndSaysSo) {
  fill();
  for (const auto& [filter, truth] : std::vector<std::pair<Filter, double>>{
           {{}, 20'000}, {{.types = {"b"}}, 2'000}, {{.types = {"b"}, .owner_id = "ann"}, 2'000}}) {
    const auto estimate = total(filter);
    EXPECT_TRUE(estimate.is_estimate);
    EXPECT_NEAR(double(estimate.count), truth, truth / 4);
  }
  const auto none = total({.statuses = {RunStatus::failed}});
  EXPECT_FALSE(none.is_estimate);
  EXPECT_EQ(none.count, 0);
}

// Asks the database how it reads what is asked of the runs.
class Explaining final : public store::Transaction {
 public:
  explicit Explaining(store::Transaction& tx) : tx_(tx) {}
  std::string plan;

  store::Rows query(std::string_view sql, std::span<const store::Parameter> parameters) override {
    if (sql.find("FROM runs") != std::string_view::npos && !sql.starts_with("EXPLAIN")) {
      const bool postgres = dialect() == Dialect::postgres;
      const std::string question = (postgres ? "EXPLAIN " : "EXPLAIN QUERY PLAN ") + std::string(sql);
      for (const auto& row : tx_.query(question, parameters)) plan += row.text(postgres ? 0 : 3) + "\n";
    }
    return tx_.query(sql, parameters);
  }
  std::int64_t execute(std::string_view sql, std::span<const store::Parameter> parameters) override {
    return tx_.execute(sql, parameters);
  }
  void execute_many(std::string_view sql, std::size_t columns, std::span<const store::Parameter> parameters) override {
    tx_.execute_many(sql, columns, parameters);
  }
  Dialect dialect() const override { return tx_.dialect(); }

 private:
  store::Transaction& tx_;
};

// WF-1, P-5
TEST_P(ManyRuns, EveryPageAndTotalIsReadFromAnIndexInTheListsOrder) {
  fill();
  for (const auto& filter : filters()) {
    // All of these runs are of one second: PostgreSQL does well to read so small a table for a part of it.
    if (GetParam() == Dialect::postgres && (filter.since || filter.until)) continue;
    database_->read_and_wait([&](store::Transaction& tx) {
      Explaining explaining(tx);
      journal::list(explaining, filter);
      journal::total(explaining, filter);
      EXPECT_THAT(explaining.plan, ::testing::Not(::testing::HasSubstr("SCAN runs"))) << explaining.plan;
      EXPECT_THAT(explaining.plan, ::testing::Not(::testing::HasSubstr("TEMP B-TREE"))) << explaining.plan;
      EXPECT_THAT(explaining.plan, ::testing::Not(::testing::HasSubstr("Seq Scan on runs"))) << explaining.plan;
    });
  }
}

INSTANTIATE_TEST_SUITE_P(OnSqlite, RunList, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(OnPostgres, RunList, ::testing::Values(Dialect::postgres));
INSTANTIATE_TEST_SUITE_P(OnSqlite, ManyRuns, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(OnPostgres, ManyRuns, ::testing::Values(Dialect::postgres));

}  // namespace
}  // namespace slipway::durable
