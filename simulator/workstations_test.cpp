#include "simulator/workstations.h"

#include <gtest/gtest.h>

namespace slipway::simulator {
namespace {

using namespace std::chrono_literals;

constexpr auto kStart = base::Instant(std::chrono::seconds(1'700'000'000));
const std::string kParent = "projects/p/locations/r";
const std::string kCluster = kParent + "/workstationClusters/main";
const std::string kConfig = kCluster + "/workstationConfigs/starter";
const std::string kWorkstation = kConfig + "/workstations/ws-1";

class WorkstationsTest : public ::testing::Test {
 protected:
  WorkstationsTest() { furnish(); }

  void furnish() {
    cloud.create(Kind::cluster, kParent, "main", json::Object{}, terms());
    pass(30min);
    cloud.create(Kind::config, kCluster, "starter", json::Object{}, terms());
    pass(1min);
  }
  Terms terms(OperationPlan plan = {}) const { return {.now = now, .user = "test", .plan = std::move(plan)}; }
  void pass(base::Duration duration) { cloud.advance(now += duration); }
  Operation create(const std::string& id = "ws-1", OperationPlan plan = {}) {
    return cloud.create(Kind::workstation, kConfig, id, json::Object{}, terms(std::move(plan)));
  }
  State state(const std::string& name = kWorkstation) const { return cloud.get(Kind::workstation, name).state; }
  Operation look(const Operation& operation) const { return cloud.operation(operation.name); }
  template <class F>
  Failure refusal(F call) {
    try {
      call();
    } catch (const Failure& failure) {
      return failure;
    }
    ADD_FAILURE() << "it was taken";
    return Failure(Code::ok, "");
  }

  base::Instant now = kStart;
  base::SeededRandom random{7};
  Workstations cloud{random, {}, {}};
};

// WP-5
TEST_F(WorkstationsTest, CreateDoesNotStart) {
  const Operation operation = create();
  EXPECT_FALSE(look(operation).end_time);
  pass(1min);
  EXPECT_TRUE(look(operation).end_time);
  EXPECT_EQ(look(operation).response.at("state"), "STATE_STOPPED");
  EXPECT_EQ(state(), State::stopped);
}

TEST_F(WorkstationsTest, StartTakesAsLongAsTheCloudTakes) {
  create();
  pass(1min);
  const Operation operation = cloud.start(kWorkstation, terms());
  pass(29s);
  EXPECT_EQ(state(), State::starting);
  EXPECT_FALSE(look(operation).end_time);
  pass(61s);
  EXPECT_EQ(state(), State::running);
  EXPECT_TRUE(cloud.get(Kind::workstation, kWorkstation).start_time);
}

TEST_F(WorkstationsTest, StartIsRefusedUnlessItIsStopped) {
  create();
  pass(1min);
  cloud.start(kWorkstation, terms());
  EXPECT_EQ(refusal([&] { cloud.start(kWorkstation, terms()); }).code(), Code::failed_precondition);
  pass(2min);
  EXPECT_EQ(refusal([&] { cloud.start(kWorkstation, terms()); }).code(), Code::failed_precondition);
}

TEST_F(WorkstationsTest, SecondOfANameIsRefusedAndChangesNothing) {
  create();
  cloud.take_effects();
  EXPECT_EQ(refusal([&] { create(); }).code(), Code::already_exists);
  EXPECT_TRUE(cloud.take_effects().empty());
}

TEST_F(WorkstationsTest, WhatStandsAboveMustBeThere) {
  EXPECT_EQ(refusal([&] {
              cloud.create(Kind::config, kParent + "/workstationClusters/no", "a", json::Object{}, terms());
            }).code(),
            Code::not_found);
  EXPECT_EQ(refusal([&] {
              cloud.create(Kind::workstation, kCluster + "/workstationConfigs/no", "a", json::Object{}, terms());
            }).code(),
            Code::not_found);
}

TEST_F(WorkstationsTest, AFailedCreateLeavesNothing) {
  const Operation operation = create("ws-1", {.fails_with = Failure(Code::internal, "no").status()});
  EXPECT_EQ(state(), State::stopped);
  pass(1min);
  EXPECT_EQ(look(operation).error->code, 13);
  EXPECT_THROW(cloud.get(Kind::workstation, kWorkstation), Failure);
  EXPECT_EQ(cloud.state().departed.size(), 1u);
}

TEST_F(WorkstationsTest, AFailedStartStopsAgain) {
  create();
  pass(1min);
  const Operation operation = cloud.start(kWorkstation, terms({.fails_with = Failure(Code::internal, "no").status()}));
  pass(2min);
  EXPECT_TRUE(look(operation).error);
  EXPECT_EQ(state(), State::stopped);
  cloud.start(kWorkstation, terms());
  pass(2min);
  EXPECT_EQ(state(), State::running);
}

// WP-13
TEST_F(WorkstationsTest, AnOperationThatNeverEndsCanStillBeDeletedOver) {
  create();
  pass(1min);
  const Operation start = cloud.start(kWorkstation, terms({.never_ends = true}));
  pass(24h);
  EXPECT_EQ(state(), State::starting);
  cloud.del(Kind::workstation, kWorkstation, false, terms());
  EXPECT_EQ(look(start).error->code, int(Code::aborted));
  pass(1min);
  EXPECT_THROW(cloud.get(Kind::workstation, kWorkstation), Failure);
}

TEST_F(WorkstationsTest, AStaleEtagIsALostRace) {
  create();
  pass(1min);
  Terms stale = terms();
  stale.etag = "\"old\"";
  EXPECT_EQ(refusal([&] { cloud.start(kWorkstation, stale); }).code(), Code::aborted);
  stale.etag = etag_of(cloud.get(Kind::workstation, kWorkstation));
  cloud.start(kWorkstation, stale);
}

TEST_F(WorkstationsTest, ValidationOnlyChangesNothing) {
  Terms only = terms();
  only.validate_only = true;
  EXPECT_TRUE(cloud.create(Kind::workstation, kConfig, "ws-1", json::Object{}, only).end_time);
  EXPECT_THROW(cloud.get(Kind::workstation, kWorkstation), Failure);
}

// WP-11
TEST_F(WorkstationsTest, RunningQuotaFailsInsideTheOperation) {
  cloud.set_quotas({.running_per_region = 1});
  create("ws-1");
  create("ws-2");
  pass(1min);
  cloud.start(kWorkstation, terms());
  const Operation second = cloud.start(kConfig + "/workstations/ws-2", terms());
  pass(2min);
  EXPECT_EQ(look(second).error->code, int(Code::resource_exhausted));
  EXPECT_EQ(look(second).error->details.at(0).at("reason"), "QUOTA_EXCEEDED");
  EXPECT_EQ(state(kConfig + "/workstations/ws-2"), State::stopped);
}

// WP-11
TEST_F(WorkstationsTest, WorkstationQuotaIsRefusedAtOnce) {
  cloud.set_quotas({.workstations_per_config = 1});
  create("ws-1");
  const Failure failure = refusal([&] { create("ws-2"); });
  EXPECT_EQ(failure.http(), 429);
  EXPECT_EQ(failure.details().at(1).at("@type"), "type.googleapis.com/google.rpc.QuotaFailure");
}

TEST_F(WorkstationsTest, ConfigMustGoBeforeItsCluster) {
  EXPECT_EQ(refusal([&] { cloud.del(Kind::cluster, kCluster, false, terms()); }).code(), Code::failed_precondition);
  create();
  pass(1min);
  cloud.del(Kind::cluster, kCluster, true, terms());
  pass(1min);
  EXPECT_TRUE(cloud.state().resources.empty());
  EXPECT_EQ(cloud.state().departed.size(), 1u);
}

TEST_F(WorkstationsTest, ConfigChangesAtTheEndOfItsOperation) {
  const json::Value body = json::parse_value(R"({"host":{"gceInstance":{"machineType":"n2-highmem-8"}}})");
  cloud.update(Kind::config, kConfig, body, "host.gce_instance.machine_type", terms());
  const auto machine = [&] {
    return cloud.get(Kind::config, kConfig).fields.at("host").at("gceInstance").at("machineType");
  };
  EXPECT_EQ(machine(), "e2-standard-4");
  pass(1min);
  EXPECT_EQ(machine(), "n2-highmem-8");
  EXPECT_EQ(refusal([&] { cloud.update(Kind::config, kConfig, body, "", terms()); }).code(), Code::invalid_argument);
}

TEST_F(WorkstationsTest, RestoredItGoesOnWhereItWas) {
  create();
  pass(1min);
  const Operation operation = cloud.start(kWorkstation, terms());
  const std::string saved = json::print(cloud.state());
  Workstations other(random, {}, {});
  other.restore(json::parse<WorkstationsState>(saved));
  other.advance(now + 2min);
  EXPECT_EQ(other.get(Kind::workstation, kWorkstation).state, State::running);
  EXPECT_TRUE(other.operation(operation.name).end_time);
}

TEST_F(WorkstationsTest, ALostMachineStopsItsWorkstation) {
  create();
  pass(1min);
  cloud.start(kWorkstation, terms());
  pass(2min);
  cloud.lose_instance(kWorkstation, now);
  EXPECT_EQ(state(), State::stopped);
  EXPECT_EQ(cloud.take_effects().back().effect, "workstation.lost");
}

TEST_F(WorkstationsTest, ListsGoOverAnyConfigInPages) {
  cloud.create(Kind::config, kCluster, "business", json::Object{}, terms());
  pass(1min);
  create("ws-1");
  create("ws-2");
  cloud.create(Kind::workstation, kCluster + "/workstationConfigs/business", "ws-3", json::Object{}, terms());
  const std::string any = kParent + "/workstationClusters/-/workstationConfigs/-";
  const auto all = cloud.list(Kind::workstation, any, "", 10);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(cloud.list(Kind::workstation, any, all[0]->name, 1).at(0)->name, all[1]->name);
  EXPECT_EQ(cloud.list(Kind::config, kCluster, "", 10).size(), 2u);
  EXPECT_EQ(cloud.list(Kind::cluster, kParent, "", 10).size(), 1u);
}

TEST_F(WorkstationsTest, IdleTimeoutStopsIt) {
  Workstations idle(random, {.idle_timeouts = true}, {});
  cloud.advance(now);
  idle.restore(cloud.state());
  idle.create(Kind::workstation, kConfig, "ws-1", json::Object{}, terms());
  idle.advance(now += 1min);
  idle.start(kWorkstation, terms());
  idle.advance(now += 2min);
  EXPECT_EQ(idle.get(Kind::workstation, kWorkstation).state, State::running);
  idle.advance(now += 21min);
  EXPECT_EQ(idle.get(Kind::workstation, kWorkstation).state, State::stopped);
}

TEST_F(WorkstationsTest, FieldsAreHeldToWhatTheApiKnows) {
  const auto config = [&](const std::string& text) {
    return refusal([&] { cloud.create(Kind::config, kCluster, "other", json::parse_value(text), terms()); }).message();
  };
  EXPECT_NE(config(R"({"hots":{}})").find("Unknown name \"hots\""), std::string::npos);
  EXPECT_NE(config(R"({"host":{"gceInstance":{"bootDiskSizeGb":20}}})").find("30 GB"), std::string::npos);
  EXPECT_NE(config(R"({"persistentDirectories":[{"gcePd":{"sizeGb":50}}]})").find("pd-balanced"), std::string::npos);
  EXPECT_NE(config(R"({"persistentDirectories":[{"gcePd":{"sizeGb":75}}]})").find("one of 10"), std::string::npos);
  EXPECT_NE(config(R"({"replicaZones":["a"]})").find("two zones"), std::string::npos);
  EXPECT_NE(refusal([&] { create("Upper"); }).message().find("workstation_id"), std::string::npos);
}

}  // namespace
}  // namespace slipway::simulator
