#pragma once
// Templates, built workspaces and jobs as tests of their records need them, on both databases. For test programs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "fleet/change_feed.h"
#include "fleet/identity.h"
#include "fleet/job.h"
#include "fleet/sealer.h"
#include "fleet/template.h"
#include "store/testing/postgres_cluster.h"
#include "store/testing/temporary_database.h"

namespace slipway::fleet::testing {

inline const Instant kNow = base::from_unix_ms(1'700'000'000'000);
inline const UserId kAlice{"usr_alice"}, kBob{"usr_bob"};

class TemplateWorld : public ::testing::TestWithParam<store::Dialect> {
 protected:
  using Transaction = store::Transaction;

  TemplateWorld()
      : url_(GetParam() == store::Dialect::sqlite ? (folder_.path() / "slipway.db").string()
                                                  : store::testing::PostgresCluster::shared().create_database()),
        database_(store::open(url_)) {
    write([](Transaction& tx) {
      insert_user(tx, {kAlice, "alice", Role::member, kNow});
      insert_user(tx, {kBob, "bob", Role::admin, kNow});
    });
  }

  void write(store::Work work) { database_->write_and_wait(std::move(work)); }
  void read(store::Work work) { database_->read_and_wait(std::move(work)); }

  // The error of a write; the test fails if there is none.
  base::Error refusal_of(store::Work work) {
    try {
      write(std::move(work));
    } catch (const base::Error& error) {
      return error;
    }
    ADD_FAILURE() << "nothing was refused";
    return base::internal_error("none");
  }

  // A workspace that is built from a template.
  void add_workspace(const std::string& name, const UserId& owner = kAlice, std::int64_t daily_cost = 0,
                     const std::string& of_template = "tpl_1") {
    write([&](Transaction& tx) {
      tx.execute(
          "INSERT INTO built_workspaces (workspace_id, owner_id, template_id, version_id, build_number, daily_cost, "
          "sealed_parameters, updated_at) VALUES ($1, $2, $3, 'tpv_1', 1, $4, '', 0)",
          {name, owner.str(), of_template, daily_cost});
    });
  }
  // Its build, at work, and the job of that.
  Job add_build(const std::string& workspace, std::int64_t number = 1, const UserId& owner = kAlice) {
    const auto name = workspace + "-" + std::to_string(number);
    Job job{.id = JobId("job_" + name), .type = JobType::workspace_build, .status = JobStatus::running};
    job.owner_id = owner;
    job.workspace_id = WorkspaceId(workspace);
    job.build_id = base::BuildId("bld_" + name);
    job.fence = 1;
    write([&](Transaction& tx) {
      tx.execute(
          "INSERT INTO workspace_builds (id, workspace_id, number, workspace_name, owner_id, template_id, version_id, "
          "transition, reason, status, sealed_parameters, daily_cost, requested_by, created_at) "
          "VALUES ($1, $2, $3, $2, $4, 'tpl_1', 'tpv_1', 'start', '', 'running', '', 0, $4, 0)",
          {job.build_id->str(), workspace, number, owner.str()});
      tx.execute(
          "INSERT INTO provisioner_jobs (id, type, status, provisioner, tags, priority, turn, owner_id, requested_by, "
          "workspace_id, build_id, archive, metadata, sealed_values, debug, trace, attempt, attempts_max, "
          "available_at, fence, phase, repeatable, next_log, log_bytes, dead_letter, created_at, updated_at) "
          "VALUES ($1, 'workspace_build', 'running', 'scripted', '{}', 0, 0, $2, $2, $3, $4, '', '{}', '', 0, '', 1, "
          "3, "
          "0, 1, 'apply', 0, 0, 0, 0, 0, 0)",
          {job.id.str(), owner.str(), workspace, job.build_id->str()});
    });
    return job;
  }
  void set_job(const Job& job, const std::string& status, std::int64_t fence) {
    write([&](Transaction& tx) {
      tx.execute("UPDATE provisioner_jobs SET status = $2, fence = $3 WHERE id = $1", {job.id.str(), status, fence});
    });
  }

  std::vector<std::string> told() {
    std::vector<std::string> types;
    read([&](Transaction& tx) {
      types.clear();
      for (const auto& owned : all_changes_after(tx, 0, 1'000)) types.push_back(owned.change.type);
    });
    return types;
  }

  store::testing::TemporaryFolder folder_;
  std::string url_;
  std::unique_ptr<store::Database> database_;
  Sealer sealer_{base::Secret(std::string(32, 'k'))};
};

// INSTANTIATE_TEST_SUITE_P(On, Quota, kBothDatabases, database_name);
inline const auto kBothDatabases = ::testing::Values(store::Dialect::sqlite, store::Dialect::postgres);
inline std::string database_name(const ::testing::TestParamInfo<store::Dialect>& info) {
  return info.param == store::Dialect::sqlite ? "Sqlite" : "Postgres";
}

}  // namespace slipway::fleet::testing
