#include "fleet/job_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "fleet/sealer.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet {
namespace {

using store::Dialect;
using store::Transaction;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Instant kNow = base::from_unix_ms(1'700'000'000'000);

class JobLog : public ::testing::TestWithParam<Dialect> {
 protected:
  JobLog()
      : database_(store::open(GetParam() == Dialect::sqlite
                                  ? (folder_.path() / "slipway.db").string()
                                  : store::testing::PostgresCluster::shared().create_database())) {
    database_->write_and_wait([&](Transaction& tx) {
      insert_job(tx, sealer_, {.id = id_, .provisioner = "terraform", .run_id = RunId("run_1")}, kNow);
      job_ = *find_job(tx, Scope::everything("a test"), id_);
    });
  }

  static std::vector<LogLine> lines(std::int64_t first, std::int64_t count) {
    std::vector<LogLine> made;
    for (auto i = first; i < first + count; ++i)
      made.push_back({.stage = "Planning infrastructure", .at = kNow, .output = "line " + std::to_string(i)});
    return made;
  }
  std::int64_t append(std::int64_t first, std::int64_t count) {
    std::int64_t next = 0;
    database_->write_and_wait([&](Transaction& tx) {
      job_ = *find_job(tx, Scope::everything("a test"), id_);
      next = append_log(tx, job_, first, lines(first, count), limits_);
    });
    return next;
  }
  std::vector<NumberedLine> read(std::int64_t from, std::int64_t limit = 100'000) {
    std::vector<NumberedLine> found;
    database_->read_and_wait([&](Transaction& tx) { found = read_log(tx, id_, from, limit); });
    return found;
  }
  std::vector<std::string> outputs(std::int64_t from, std::int64_t limit) {
    std::vector<std::string> texts;
    for (const auto& line : read(from, limit)) texts.push_back(line.output);
    return texts;
  }

  store::testing::TemporaryFolder folder_;
  std::unique_ptr<store::Database> database_;
  Sealer sealer_{base::Secret(std::string(32, 'k'))};
  const JobId id_{"job_1"};
  Job job_;
  LogLimits limits_;
};

INSTANTIATE_TEST_SUITE_P(OnBoth, JobLog, ::testing::Values(Dialect::sqlite, Dialect::postgres),
                         [](const auto& info) { return info.param == Dialect::sqlite ? "Sqlite" : "Postgres"; });

// RUN-10
TEST_P(JobLog, LinesAreReadByTheirNumbers) {
  EXPECT_EQ(append(0, 3), 3);
  EXPECT_EQ(append(3, 2), 5);
  EXPECT_THAT(outputs(0, 2), ElementsAre("line 0", "line 1"));
  EXPECT_THAT(outputs(2, 100), ElementsAre("line 2", "line 3", "line 4"));
  EXPECT_THAT(outputs(5, 100), IsEmpty());
}

TEST_P(JobLog, LinesThatAreSentAgainAreNotDoubled) {
  append(0, 3);
  EXPECT_EQ(append(0, 3), 3);
  EXPECT_EQ(append(1, 4), 5);
  EXPECT_THAT(outputs(0, 100), ElementsAre("line 0", "line 1", "line 2", "line 3", "line 4"));
}

TEST_P(JobLog, AGapIsRefused) {
  append(0, 3);
  try {
    append(4, 1);
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "LOG_GAP");
    EXPECT_EQ(error.details().as_object().at("nextLog").as_int64(), 3);
  }
}

// Head and tail are there, what lies between is counted, and nothing else is missing: whatever comes in whatever
// pieces.
TEST_P(JobLog, OfALongLogTheMiddleIsCounted) {
  limits_ = {.head = 20'000, .tail = 50'000};
  base::SeededRandom random(3);
  std::int64_t next = 0;
  while (next < 3'000) next = append(next, std::int64_t(1 + random.below(200)));
  std::int64_t expected = 0, gaps = 0;
  for (const auto& line : read(0)) {
    if (line.left_out) {
      ++gaps;
      EXPECT_EQ(line.number, expected + *line.left_out - 1);
      EXPECT_EQ(line.output, std::to_string(*line.left_out) + " lines were left out here");
    } else {
      ASSERT_EQ(line.number, expected);
      EXPECT_EQ(line.output, "line " + std::to_string(line.number));
    }
    expected = line.number + 1;
  }
  EXPECT_EQ(expected, next);
  EXPECT_EQ(gaps, 1);
  // A reader who goes on from place to place sees the same.
  std::vector<std::int64_t> at_once, in_steps;
  for (const auto& line : read(0)) at_once.push_back(line.number);
  for (std::int64_t from = 0; from < next;) {
    for (const auto& line : read(from, 37)) {
      in_steps.push_back(line.number);
      from = line.number + 1;
    }
  }
  EXPECT_EQ(at_once, in_steps);
}

TEST_P(JobLog, TheNewestLinesAreKeptHoweverLargeTheyAre) {
  limits_ = {.head = 10, .tail = 25'000};
  const LogLine large{.stage = "s", .at = kNow, .output = std::string(20'000, 'x')};
  for (const auto& update : std::vector<std::vector<LogLine>>{{large}, {large}, {large, large}})
    database_->write_and_wait([&](Transaction& tx) { append_log(tx, job_, job_.next_log, update, limits_); });
  const auto found = read(0);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found.at(1).left_out, 1);
  EXPECT_EQ(found.at(3).number, 3);
}

TEST_P(JobLog, ANumberBelowZeroIsRefused) {
  for (const auto first : {std::int64_t(-1), std::numeric_limits<std::int64_t>::min()})
    EXPECT_THROW(append(first, 1), base::Error);
  EXPECT_THAT(outputs(0, 10), IsEmpty());
}

TEST_P(JobLog, AVeryLongLineIsKeptWhole) {
  const std::string output(300'000, 'x');
  database_->write_and_wait(
      [&](Transaction& tx) { append_log(tx, job_, 0, {{.stage = "s", .at = kNow, .output = output}}); });
  EXPECT_EQ(read(0).front().output, output);
}

}  // namespace
}  // namespace slipway::fleet
