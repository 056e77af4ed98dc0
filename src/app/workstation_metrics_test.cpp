// WP-17: the metrics have exactly these names, and count each provisioning once.

#include "app/workstation_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/testing/temporary_database.h"
#include "workflows/workstation_request.h"

namespace slipway::app {
namespace {

using durable::Event;
using durable::EventType;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace std::chrono_literals;

const base::Instant kStart = base::from_unix_ms(1'700'000'000'000);

class SetClock final : public base::Clock {
 public:
  base::Instant now() const override { return at; }
  base::Instant at = kStart;
};

class WorkstationMetricsTest : public ::testing::Test {
 protected:
  static durable::RunRecord provisioning(const std::string& tier) {
    durable::RunRecord run;
    run.type = workflows::kProvisionType;
    run.input = json::Object{{"tier", tier}};
    run.started_at = kStart;
    return run;
  }
  static Event end(EventType type, base::Duration after) {
    Event event;
    event.type = type;
    event.at = kStart + after;
    return event;
  }
  void complete(const std::string& tier, base::Duration after) {
    metrics_.count(provisioning(tier), {}, {ready(after)});
    metrics_.count(provisioning(tier), was_ready(), {end(EventType::run_completed, after + 4h)});
  }
  static Event ready(base::Duration after) {
    auto event = end(EventType::step_completed, after);
    event.step = "update-record";
    return event;
  }
  static durable::RunState was_ready() {
    durable::RunState state;
    state.at("update-record").ended_as = durable::StepStatus::completed;
    return state;
  }
  void fail(const std::string& tier, const std::string& code) {
    durable::RunState state;
    state.failure = durable::Failure{.code = code};
    metrics_.count(provisioning(tier), state, {end(EventType::run_failed, 1s)});
  }
  std::string exposed() const { return registry_.expose(); }

  net::IoContext io_;
  SetClock clock_;
  observe::Registry registry_;
  fleet::Tiers tiers_;
  WorkstationMetrics metrics_{io_, registry_, tiers_, clock_};
};

TEST_F(WorkstationMetricsTest, EverySeriesIsThereBeforeAnythingHappens) {
  for (const char* tier : {"starter", "professional", "business", "enterprise", "OTHER"}) {
    const std::string label = "{tier=\"" + std::string(tier) + "\"}";
    EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_success_total" + label + " 0\n"));
    EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_duration_seconds_count" + label + " 0\n"));
    for (const char* code : {"PERMISSION_DENIED", "CREATION_TIMED_OUT", "OTHER"})
      EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_failure_total{error_code=\"" + std::string(code) +
                                       "\",tier=\"" + tier + "\"} 0\n"));
  }
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_oldest_seconds 0\n"));
}

TEST_F(WorkstationMetricsTest, AReadyWorkstationIsASuccessOfItsTier) {
  complete("starter", 45s);
  complete("starter", 200s);
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_success_total{tier=\"starter\"} 2\n"));
  EXPECT_THAT(exposed(),
              HasSubstr("workstation_provisioning_duration_seconds_bucket{tier=\"starter\",le=\"180\"} 1\n"));
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_duration_seconds_sum{tier=\"starter\"} 245\n"));
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_success_total{tier=\"business\"} 0\n"));
}

TEST_F(WorkstationMetricsTest, AWorkstationCountsWhenItIsReadyAndNotWhenItsMailIsSent) {
  metrics_.count(provisioning("starter"), was_ready(), {ready(60s)});
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_success_total{tier=\"starter\"} 1\n"));
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_duration_seconds_sum{tier=\"starter\"} 60\n"));
}

TEST_F(WorkstationMetricsTest, WhateverComesAfterItWasReadyItIsOneSuccessAndNoFailure) {
  metrics_.count(provisioning("starter"), was_ready(), {ready(60s)});
  auto state = was_ready();
  state.failure = durable::Failure{.code = "TIMED_OUT"};
  metrics_.count(provisioning("starter"), state, {end(EventType::run_failed, 4h)});
  metrics_.count(provisioning("starter"), was_ready(), {end(EventType::run_cancelled, 4h)});
  auto copied = ready(60s);
  copied.data["takenOver"] = json::Object{{"run", "run_1"}};
  metrics_.count(provisioning("starter"), was_ready(), {copied, end(EventType::run_completed, 5h)});
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_success_total{tier=\"starter\"} 1\n"));
  EXPECT_THAT(exposed(), HasSubstr("{error_code=\"TIMED_OUT\",tier=\"starter\"} 0\n"));
}

TEST_F(WorkstationMetricsTest, AFailureIsCountedByItsCode) {
  fail("business", "PERMISSION_DENIED");
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_failure_total{error_code=\"PERMISSION_DENIED\","
                                   "tier=\"business\"} 1\n"));
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_success_total{tier=\"business\"} 0\n"));
}

TEST_F(WorkstationMetricsTest, LabelsStayFewWhateverIsInARun) {
  const auto lines = std::ranges::count(exposed(), '\n');
  fail("business", "MADE_UP_BY_SOMEBODY");
  fail("no-such-tier", "PERMISSION_DENIED");
  auto strange = provisioning("starter");
  strange.input = "no object";
  metrics_.count(strange, {}, {ready(1s)});
  EXPECT_EQ(std::ranges::count(exposed(), '\n'), lines);
  EXPECT_THAT(exposed(), HasSubstr("{error_code=\"OTHER\",tier=\"business\"} 1\n"));
  EXPECT_THAT(exposed(), HasSubstr("{error_code=\"PERMISSION_DENIED\",tier=\"OTHER\"} 1\n"));
}

TEST_F(WorkstationMetricsTest, OtherRunsAndOtherEventsAreNotCounted) {
  auto other = provisioning("starter");
  other.type = "workstation.stop";
  metrics_.count(other, {}, {ready(1s)});
  metrics_.count(provisioning("starter"), {}, {end(EventType::run_started, 0s), end(EventType::run_cancelled, 1s)});
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_success_total{tier=\"starter\"} 0\n"));
  EXPECT_THAT(exposed(), Not(HasSubstr("tier=\"starter\"} 1\n")));
}

TEST_F(WorkstationMetricsTest, WhatIsUnderWayIsSeenBeforeItEnds) {  // WP-18: also one that never ends
  store::testing::TemporaryDatabase database;
  database->write_and_wait([](store::Transaction& tx) {
    for (const auto& [id, after] : {std::pair{"ws-2", 60s}, std::pair{"ws-1", 0s}})
      fleet::put_workstation(tx,
                             {.id = id,
                              .organization_id = "org",
                              .user_id = "u",
                              .tier = "starter",
                              .run_id = fleet::RunId("run_" + std::string(id)),
                              .created_at = kStart + after},
                             "");
    fleet::set_waiting(tx, "ws-2", fleet::RunId("run_ws-2"), "quota", kStart);
  });
  database->read_and_wait([&](store::Transaction& tx) { metrics_.show(WorkstationMetrics::take_census(tx)); });
  clock_.at = kStart + 200s;
  EXPECT_THAT(exposed(), HasSubstr("workstation_provisioning_oldest_seconds 200\n"));
  EXPECT_THAT(exposed(), HasSubstr("slipway_workstations_waiting_for_quota 1\n"));
  EXPECT_THAT(exposed(), HasSubstr("slipway_workstations{status=\"creating\",tier=\"starter\"} 2\n"));
}

}  // namespace
}  // namespace slipway::app
