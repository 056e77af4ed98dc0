// Rollups say what a scan of all runs would say, whenever they are asked and over whatever period. On both databases.

#include "fleet/run_rollups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/json.h"
#include "durable/journal.h"
#include "fleet/change_feed.h"
#include "fleet/run_changes.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

namespace journal = durable::journal;
using base::Instant;
using base::RunId;
using base::UserId;
using durable::RunStatus;
using store::Dialect;
using store::Transaction;
using namespace std::chrono_literals;

const Instant kNow = base::from_unix_ms(1'700'000'000'000);

class Rollups : public ::testing::TestWithParam<Dialect> {
 protected:
  Rollups()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {
    write([](Transaction& tx) { tx.execute("INSERT INTO replicas (id, name, joined_at) VALUES ('rep_1', 'hub', 0)"); });
  }

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }
  void read(store::Work work) { database_->read_and_wait(std::move(work)); }

  // As the engine does, with the feed told, or as it did before there was one.
  void add(Transaction& tx, const EndedRun& run, const durable::Witness* witness) {
    const durable::RunRecord record{.id = run.id,
                                    .type = run.type,
                                    .resource_type = "test",
                                    .resource_id = "r",
                                    .triggered_by = "usr",
                                    .owner_id = run.owner_id,
                                    .input = json::Object{},
                                    .started_at = run.started_at,
                                    .replica = base::ReplicaId("rep_1"),
                                    .witness = witness};
    journal::insert_run(tx, record);
    durable::RunState state;
    state.status = run.status;
    state.ended_at = run.started_at + run.duration;
    if (run.status == RunStatus::failed) state.failure = durable::Failure{.code = run.failure_code, .message = "no"};
    journal::set_ended(tx, run.id, state);
    const std::array end{durable::to_transition(record, state)};
    if (witness != nullptr) witness->tell(tx, end);
  }

  EndedRun make_random() {
    const auto pick = [&](std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(0, most)(random_); };
    const auto status = pick(9) < 6 ? RunStatus::completed : pick(2) > 0 ? RunStatus::failed : RunStatus::cancelled;
    // Close together and far apart, also before the others, as where a clock was set back.
    const auto offset = pick(1) == 0 ? pick(5 * 60'000) : pick(12 * 24 * 3'600'000L);
    return {.id = RunId("run_" + std::to_string(next_++)),
            .owner_id = "usr_" + std::to_string(pick(2)),
            .type = "type." + std::to_string(pick(2)),
            .status = status,
            .started_at = kNow - base::Duration(offset),
            .duration = base::Duration(pick(1) == 0 ? pick(500) : pick(10'000'000)),
            .failure_code = status == RunStatus::failed ? "CODE_" + std::to_string(pick(3)) : ""};
  }

  bool advance_once() {
    RollupPage page;
    bool applied = false;
    read([&](Transaction& tx) { page = read_rollup_page(tx, last_change(tx)); });
    write([&](Transaction& tx) { applied = apply_rollup_page(tx, page); });
    return applied && (page.is_full || !page.from_backlog.empty());
  }
  void advance() {
    while (advance_once()) {
    }
  }

  TallyByType tallied(const Scope& scope, const Period& period, const std::optional<std::string>& type = {}) {
    TallyByType tallies;
    read([&](Transaction& tx) { tallies = tally_runs(tx, scope, period, type); });
    return tallies;
  }
  static TallyByType scanned(const std::vector<EndedRun>& runs, const Scope& scope, const Period& period,
                             const std::optional<std::string>& type = {}) {
    TallyByType tallies;
    for (const auto& run : runs)
      if (period.contains(run.started_at) && (scope.is_everything() || *scope.owner_id() == run.owner_id) &&
          (!type || run.type == *type))
        tallies[run.type].add(run);
    return tallies;
  }

  Period random_period() {
    const auto pick = [&](std::int64_t most) { return std::uniform_int_distribution<std::int64_t>(0, most)(random_); };
    const auto moment = [&] {
      return kNow - base::Duration(pick(1) == 0 ? pick(6 * 60'000) : pick(13 * 24 * 3'600'000L));
    };
    Period period;
    if (pick(5) > 0) period.since = moment();
    if (pick(5) > 0) period.until = moment();
    if (period.since && pick(7) == 0) period.until = *period.since + base::Duration(pick(1));
    return period;
  }

  void compare_over_random_periods(const std::vector<EndedRun>& runs, int times) {
    for (int i = 0; i < times; ++i) {
      const auto period = random_period();
      const auto scope = i % 3 == 0 ? Scope::owner(UserId("usr_1")) : Scope::everything("the test looks at all");
      const auto type = i % 4 == 0 ? std::optional<std::string>("type.1") : std::nullopt;
      const auto found = tallied(scope, period, type), expected = scanned(runs, scope, period, type);
      ASSERT_EQ(found, expected) << i << ": " << base::to_unix_ms(period.since.value_or(kNow)) << " to "
                                 << base::to_unix_ms(period.until.value_or(kNow));
    }
  }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
  RunChangeRecorder recorder_;
  std::mt19937_64 random_{20251122};
  int next_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, Rollups, ::testing::Values(Dialect::sqlite));
INSTANTIATE_TEST_SUITE_P(Postgres, Rollups, ::testing::Values(Dialect::postgres));

// WF-10
TEST_P(Rollups, SayWhatAScanSaysOverAnyPeriodHoweverFarTheyHaveCome) {
  std::vector<EndedRun> runs;
  for (int round = 0; round < 6; ++round) {
    write([&](Transaction& tx) {
      for (int i = 0; i < 60; ++i) {
        runs.push_back(make_random());
        add(tx, runs.back(), &recorder_);
      }
    });
    compare_over_random_periods(runs, 12);  // nothing of the round is counted yet
    if (round % 2 == 0) advance();
    compare_over_random_periods(runs, 12);
    if (round == 3)  // minutes that are gone are in their hours
      write([&](Transaction& tx) { trim_rollups(tx, kNow); });
  }
  EXPECT_EQ(tallied(Scope::everything("all"), {}), scanned(runs, Scope::everything("all"), {}));
}

TEST_P(Rollups, CountRunsFromBeforeThereWereAny) {
  std::vector<EndedRun> runs;
  write([&](Transaction& tx) {
    for (int i = 0; i < 50; ++i) {
      runs.push_back(make_random());
      add(tx, runs.back(), nullptr);
      tx.execute("INSERT INTO run_rollup_backlog (run_id) VALUES ($1)", {runs.back().id.str()});
    }
    tx.execute("INSERT INTO run_rollup_backlog (run_id) VALUES ('run_gone')");
  });
  advance();
  read([](Transaction& tx) { EXPECT_FALSE(has_rollup_backlog(tx)); });
  compare_over_random_periods(runs, 20);
}

TEST_P(Rollups, APageThatSomebodyElseAppliedComesToNothing) {
  std::vector<EndedRun> runs{make_random()};
  write([&](Transaction& tx) { add(tx, runs[0], &recorder_); });
  RollupPage page;
  read([&](Transaction& tx) { page = read_rollup_page(tx, last_change(tx)); });
  std::vector<bool> applied;
  for (int i = 0; i < 2; ++i) write([&](Transaction& tx) { applied.push_back(apply_rollup_page(tx, page)); });
  EXPECT_EQ(applied, (std::vector{true, false}));
  EXPECT_EQ(tallied(Scope::everything("all"), {}), scanned(runs, Scope::everything("all"), {}));
}

TEST_P(Rollups, OutliveTheRunsThatRetentionRemoves) {
  std::vector<EndedRun> runs;
  write([&](Transaction& tx) {
    for (int i = 0; i < 20; ++i) {
      runs.push_back(make_random());
      add(tx, runs.back(), &recorder_);
    }
  });
  advance();
  write([](Transaction& tx) {
    tx.execute("DELETE FROM runs");
    tx.execute("DELETE FROM changes");
  });
  EXPECT_EQ(tallied(Scope::everything("all"), {}), scanned(runs, Scope::everything("all"), {}));
  read([](Transaction& tx) {
    EXPECT_TRUE(has_rollup_of(tx, Scope::everything("all"), "type.1"));
    EXPECT_FALSE(has_rollup_of(tx, Scope::everything("all"), "type.9"));
  });
}

TEST_P(Rollups, LearnWhatTheStepsOfCompletedRunsTook) {
  write([&](Transaction& tx) {
    for (int i = 0; i < 5; ++i) {
      auto run = make_random();
      run.status = RunStatus::completed;
      run.type = "type.0";
      add(tx, run, &recorder_);
      const durable::Event done{.seq = 2,
                                .type = durable::EventType::step_completed,
                                .at = run.started_at + 10ms,
                                .step = "validate",
                                .data = {{"kind", "step"}, {"startedAt", base::format_rfc3339(run.started_at)}}};
      const durable::Event end{
          .seq = 3, .type = durable::EventType::run_completed, .at = run.started_at + run.duration, .data = {}};
      journal::append(tx, {{&run.id, &done}, {&run.id, &end}});
    }
  });
  advance();
  read([](Transaction& tx) {
    const auto timings = durable::timings_of(tx, "type.0");
    EXPECT_EQ(timings.size(), 3u);  // a few of a page are enough
    EXPECT_TRUE(timings.at(0).steps.contains("validate"));
  });
}

TEST(DurationHistogram, QuantilesAreOffByLessThanAPercent) {
  std::mt19937_64 random(7);
  DurationHistogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 20'000; ++i) {
    const auto most = std::int64_t(1) << std::uniform_int_distribution<int>(0, 40)(random);
    values.push_back(std::uniform_int_distribution<std::int64_t>(0, most)(random));
    histogram.add(base::Duration(values.back()));
  }
  std::ranges::sort(values);
  for (const double q : {0.001, 0.25, 0.5, 0.9, 0.99, 1.0}) {
    const auto exact = values.at(std::size_t(std::ceil(q * double(values.size()))) - 1);
    EXPECT_NEAR(double(histogram.quantile(q)->count()), double(exact), 0.004 * double(exact) + 0.5) << q;
  }
  EXPECT_EQ(DurationHistogram::parse(histogram.print()), histogram);
  EXPECT_EQ(DurationHistogram().quantile(0.5), std::nullopt);
  EXPECT_EQ(DurationHistogram::parse(""), DurationHistogram());
  for (const auto* wrong : {"x", "1", "1:", "1:2;", "1:-2", "2:1,1:1"})
    EXPECT_THROW(DurationHistogram::parse(wrong), base::Error) << wrong;
}

}  // namespace
}  // namespace slipway::fleet
