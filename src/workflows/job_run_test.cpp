// The runs of jobs end as their jobs do, whoever cancels what and whenever (RUN-9, RUN-13, WF-3), on both databases.

#include "workflows/job_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/digest.h"
#include "durable/mailbox.h"
#include "durable/testing/threaded_engine.h"
#include "fleet/blob.h"
#include "fleet/build.h"
#include "fleet/job_queue.h"
#include "fleet/testing/template_world.h"
#include "workflows/template_dry_run.h"
#include "workflows/template_import.h"
#include "workflows/workspace_build.h"

namespace slipway::workflows {
namespace {

using namespace std::chrono_literals;
using durable::RunState;
using durable::RunStatus;
using durable::StepStatus;
using fleet::JobStatus;
using fleet::testing::kAlice;
using fleet::testing::kNow;
using store::Transaction;
using Hub = durable::testing::ThreadedEngine;

const fleet::Scope kAll = fleet::Scope::everything("a test");
const WorkspaceId kWorkspace("018f0000-0000-7000-8000-000000000001");
const base::BuildId kBuild("bld_1");
constexpr auto kPatience = 2min;

// How a run, its job, and what both are about have ended.
struct Ends {
  RunStatus run;
  JobStatus job, subject;
  std::string code;  // why the run failed
  bool operator==(const Ends&) const = default;
};
void PrintTo(const Ends& ends, std::ostream* out) {
  *out << "run " << json::print(ends.run) << ", job " << json::print(ends.job) << ", subject "
       << json::print(ends.subject) << ", " << ends.code;
}
const Ends kDone{RunStatus::completed, JobStatus::succeeded, JobStatus::succeeded, ""};
const Ends kCancelled{RunStatus::cancelled, JobStatus::cancelled, JobStatus::cancelled, ""};

class JobRuns : public fleet::testing::TemplateWorld {
 protected:
  JobRuns() {
    write([&](Transaction& tx) {
      fleet::put_blob(tx, base::sha256_hex("archive"), "archive", kNow);
      fleet::insert_template(
          tx, {.id = base::TemplateId("tpl_1"), .name = "files", .owner_id = kAlice, .created_at = kNow});
      fleet::insert_daemon_key(tx, key_, "hash");
      daemon_ = fleet::register_daemon(tx, {.name = "a", .version = "1", .provisioners = {"scripted"}}, key_,
                                       base::DaemonId("dmn_1"), clock_.now());
    });
    boot();
    listening_ = database_->listen(std::string(fleet::kJobBell), [this](std::string_view) { look(); });
  }
  ~JobRuns() override { kill(); }

  void boot() {
    const std::shared_ptr<store::Database> borrowed(std::shared_ptr<void>(), database_.get());
    auto hub = std::make_unique<Hub>(
        borrowed, durable::EngineOptions{.lease = {.name = "test", .sole = true}}, [this](durable::Engine& engine) {
          engine.add(
              durable::make_workflow<WorkspaceBuildRequest, void>(std::make_shared<const WorkspaceBuild>(services_)));
          engine.add(
              durable::make_workflow<TemplateImportRequest, void>(std::make_shared<const TemplateImport>(services_)));
          engine.add(
              durable::make_workflow<TemplateDryRunRequest, void>(std::make_shared<const TemplateDryRun>(services_)));
          engine.observe([this](const durable::RunRecord& run, const RunState& state, const auto&) {
            const std::lock_guard lock(mutex_);
            seen_[run.id] = state;
            changed_.notify_all();
          });
        });
    const std::lock_guard lock(hub_mutex_);
    hub_ = std::move(hub);
  }
  // As kill -9.
  void kill() {
    std::unique_ptr<Hub> killed;
    const std::lock_guard lock(hub_mutex_);
    killed.swap(hub_);
  }
  // As a hub does when its bell is rung.
  void look() {
    const std::lock_guard lock(hub_mutex_);
    if (hub_) hub_->loop().post([hub = hub_.get()] { hub->engine().look_for_inputs(); });
  }

  // ---- what is begun

  durable::RunRecord record(std::string_view type, json::Value input, const std::string& resource) {
    return hub_->on_loop([&] {
      return hub_->engine().make_record({.type = std::string(type),
                                         .resource_type = "test",
                                         .resource_id = resource,
                                         .triggered_by = kAlice.str(),
                                         .owner_id = kAlice.str(),
                                         .input = std::move(input)});
    });
  }
  RunId launch(const durable::RunRecord& run) {
    hub_->on_loop([&] { hub_->engine().launch(run); });
    return run.id;
  }
  fleet::TemplateVersion push() {
    fleet::TemplateVersion version{.id = base::TemplateVersionId("tpv_1"),
                                   .template_id = base::TemplateId("tpl_1"),
                                   .template_name = "files",
                                   .archive = base::sha256_hex("archive"),
                                   .provisioner = "scripted",
                                   .created_by = kAlice,
                                   .created_at = kNow};
    write([&](Transaction& tx) { fleet::insert_version(tx, sealer_, version, {}); });
    return version;
  }
  RunId start_import() {
    const auto version = push();
    const auto run = record(TemplateImport::kType, json::to_value(TemplateImportRequest{version.id}), "tpv_1");
    write([&](Transaction& tx) { durable::journal::insert_run(tx, run); });
    return launch(run);
  }
  // As its route makes it; `and_also` in the same transaction.
  RunId start_dry_run(const std::function<void(Transaction&, const RunId&)>& and_also = [](auto&, auto&) {}) {
    const auto version = push();
    auto run = record(TemplateDryRun::kType, nullptr, version.id.str());
    run.input = json::to_value(TemplateDryRunRequest{job_of(run.id)});
    write([&](Transaction& tx) {
      fleet::insert_job(tx, sealer_,
                        {.id = job_of(run.id),
                         .type = fleet::JobType::template_dry_run,
                         .provisioner = version.provisioner,
                         .owner_id = kAlice,
                         .requested_by = kAlice,
                         .template_id = version.template_id,
                         .version_id = version.id,
                         .run_id = run.id,
                         .archive = version.archive},
                        clock_.now());
      durable::journal::insert_run(tx, run);
      and_also(tx, run.id);
    });
    return launch(run);
  }
  // The first build of a workspace, as its route makes it; `and_also` in the same transaction.
  RunId start_build(const std::function<void(Transaction&, const RunId&)>& and_also = [](auto&, auto&) {}) {
    const auto version = push();
    const WorkspaceBuildRequest request{.workspace_id = kWorkspace, .build_id = kBuild};
    const auto run = record(WorkspaceBuild::kType, json::to_value(request), kWorkspace.str());
    write([&](Transaction& tx) {
      fleet::finish_import(tx, version.id, {}, kNow);
      fleet::insert(tx,
                    {.id = kWorkspace,
                     .name = "dev",
                     .owner_id = kAlice,
                     .provider = std::string(fleet::kBuiltProvider),
                     .instance_name = "dev-1",
                     .created_at = kNow,
                     .updated_at = kNow,
                     .run_id = run.id},
                    sealer_.seal(base::Secret("{}")));
      fleet::insert_built_workspace(tx, sealer_,
                                    {.workspace_id = kWorkspace,
                                     .owner_id = kAlice,
                                     .template_id = version.template_id,
                                     .version_id = version.id,
                                     .parameters = {}},
                                    kNow);
      fleet::Build build{.id = kBuild,
                         .workspace_id = kWorkspace,
                         .workspace_name = "dev",
                         .owner_id = kAlice,
                         .template_id = version.template_id,
                         .version_id = version.id,
                         .run_id = run.id,
                         .parameters = {},
                         .requested_by = kAlice};
      fleet::insert_build(tx, sealer_, build, {}, kNow);
      durable::journal::insert_run(tx, run);
      and_also(tx, run.id);
    });
    return launch(run);
  }
  // A build whose job waits for a daemon.
  RunId queued_build() {
    const auto run = start_build();
    await_step(run, kQueueJob);
    return run;
  }

  // ---- what is done to it

  static void put_cancel(Transaction& tx, const RunId& run) {
    durable::mailbox::send(
        tx, {.run = run, .kind = durable::InputKind::cancel, .name = {}, .key = {}, .sender = "usr_bob", .at = kNow});
  }
  void cancel(const RunId& run) { EXPECT_EQ(hub_->cancel(run, "usr_bob"), nullptr); }

  // As the daemon that has taken it, and its hub's routes.
  fleet::Job take() {
    std::optional<fleet::Job> job;
    write([&](Transaction& tx) { job = fleet::take_job(tx, daemon_, "token", {}, clock_.now()); });
    return job.value();
  }
  void complete(Transaction& tx, const fleet::Job& job) {
    fleet::CompletedJob outcome{.fence = job.fence};
    if (job.type == fleet::JobType::workspace_build) outcome.build.emplace();
    if (job.type == fleet::JobType::template_import) outcome.template_import.emplace();
    if (job.type == fleet::JobType::template_dry_run) outcome.dry_run.emplace();
    fleet::complete_job(tx, job.id, key_.id, outcome, clock_.now());
  }
  void complete(const fleet::Job& job) {
    write([&](Transaction& tx) { complete(tx, job); });
    look();
  }
  void fail(const fleet::Job& job, const std::string& code, bool cancelled) {
    const fleet::FailedJob failed{.fence = job.fence,
                                  .code = code,
                                  .error_class = base::ErrorClass::user,
                                  .message = "it says why",
                                  .cancelled = cancelled};
    write([&](Transaction& tx) { fleet::fail_job(tx, job.id, key_.id, failed, clock_.now()); });
    look();
  }

  // ---- what comes of it

  RunState await(const RunId& run, const std::function<bool(const RunState&)>& holds) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, kPatience, [&] { return seen_.contains(run) && holds(seen_[run]); });
    EXPECT_TRUE(came) << "the run did not come so far";
    return seen_[run];
  }
  void await_step(const RunId& run, std::string_view key) {
    await(run, [&](const RunState& state) {
      const auto* step = state.find(key);
      return step != nullptr && step->status == StepStatus::completed;
    });
  }
  RunState finish(const RunId& run) {
    return await(run, [](const RunState& state) { return state.is_final(); });
  }
  Ends ends(const RunId& run) {
    const auto state = finish(run);
    Ends ends{.run = state.status, .job = job(run).status, .subject = {}, .code = {}};
    if (state.failure) ends.code = state.failure->code;
    read([&](Transaction& tx) {
      const auto build = fleet::find_build(tx, sealer_, kAll, kBuild);
      ends.subject = build ? build->status : ends.job;
    });
    return ends;
  }
  fleet::Job job(const RunId& run) {
    std::optional<fleet::Job> found;
    read([&](Transaction& tx) { found = fleet::find_job(tx, kAll, job_of(run)); });
    return found.value();
  }

  base::SystemClock clock_;
  providers::Registry providers_;
  AgentPresence presence_{[](const RunId&) {}};
  Services services_{*database_, providers_, sealer_, presence_, clock_, {}, [](const RunId&) {}};
  fleet::DaemonKey key_{.id = base::DaemonKeyId("dky_1"), .name = "main", .created_by = "usr_bob", .created_at = kNow};
  fleet::Daemon daemon_;
  std::mutex mutex_, hub_mutex_;
  std::condition_variable changed_;
  std::map<RunId, RunState> seen_;
  std::unique_ptr<Hub> hub_;
  std::unique_ptr<store::Listening> listening_;
};
INSTANTIATE_TEST_SUITE_P(On, JobRuns, fleet::testing::kBothDatabases, fleet::testing::database_name);

// ---- nobody cancels

TEST_P(JobRuns, ARunEndsAsItsJobDid) {
  const auto run = queued_build();
  complete(take());
  EXPECT_EQ(ends(run), kDone);
}

// ---- a cancel before a daemon has taken it

TEST_P(JobRuns, ACancelAtTheVeryBeginningLeavesNothingToBeTaken) {
  const auto run = start_build(put_cancel);
  look();
  EXPECT_EQ(ends(run), kCancelled);
}

TEST_P(JobRuns, ACancelEndsAJobThatWaits) {
  const auto run = queued_build();
  cancel(run);
  EXPECT_EQ(ends(run), kCancelled);
  EXPECT_EQ(job(run).cancel_by, "its run");
}

// ---- while it is at work: three outcomes (RUN-9)

TEST_P(JobRuns, ACancelThatTookHoldEndsARunAsCancelled) {
  const auto run = queued_build();
  const auto held = take();
  cancel(run);
  await_step(run, kAskToCancel);
  fail(held, "CANCELLED", true);
  EXPECT_EQ(ends(run), kCancelled);
}

TEST_P(JobRuns, ACancelByForceEndsARunAsFailed) {
  const auto run = queued_build();
  const auto held = take();
  cancel(run);
  await_step(run, kAskToCancel);
  fail(held, "CANCEL_TIMED_OUT", false);
  EXPECT_EQ(ends(run), (Ends{RunStatus::failed, JobStatus::failed, JobStatus::failed, "CANCEL_TIMED_OUT"}));
}

TEST_P(JobRuns, ACancelThatCameTooLateLetsARunCompleteAndItsJournalSaysSo) {
  const auto run = queued_build();
  const auto held = take();
  cancel(run);
  await_step(run, kAskToCancel);
  cancel(run);  // again, which changes nothing
  complete(held);
  EXPECT_EQ(ends(run), kDone);
  const auto state = finish(run);
  EXPECT_TRUE(state.cancel_requested_at);
  EXPECT_FALSE(state.find(kQueueJob)->undone);
  std::vector<durable::Event> events;
  read([&](Transaction& tx) { events = durable::journal::events(tx, run); });
  const auto told = std::ranges::find(events, durable::EventType::signal_received, &durable::Event::type);
  ASSERT_NE(told, events.end());
  EXPECT_TRUE(told->data.at("payload").at("finishedBeforeCancel").as_bool());
}

// ---- a hub that is killed in between

TEST_P(JobRuns, ASuccessThatTheRunHasNotHeardOfYetCountsBeforeACancelAndAfterIt) {
  const auto run = queued_build();
  const auto held = take();
  kill();
  write([&](Transaction& tx) {
    put_cancel(tx, run);
    complete(tx, held);
  });
  boot();
  EXPECT_EQ(ends(run), kDone);
}

TEST_P(JobRuns, AHubThatIsKilledAfterTheCancelForgetsNeitherTheCancelNorTheJob) {
  const auto run = queued_build();
  const auto held = take();
  cancel(run);
  await_step(run, kAskToCancel);
  kill();
  write([&](Transaction& tx) { complete(tx, held); });
  boot();
  EXPECT_EQ(ends(run), kDone);
}

// The job is put in line in one commit and recorded in another.
TEST_P(JobRuns, AJobThatWasDoneBeforeItsRunHadRecordedItCountsInSpiteOfACancel) {
  const auto run = start_dry_run([&](Transaction& tx, const RunId& id) {
    complete(tx, fleet::take_job(tx, daemon_, "token", {}, clock_.now()).value());
    put_cancel(tx, id);
  });
  look();
  EXPECT_EQ(ends(run), kDone);
}

// What cannot go on follows nothing any more, but leaves no job in line either.
TEST_P(JobRuns, ACancelOfADryRunThatIsParkedEndsItsJob) {
  const auto run = start_dry_run();
  await_step(run, kQueueJob);
  kill();
  write([&](Transaction& tx) {
    tx.execute("UPDATE run_events SET step = 'of-the-future' WHERE run_id = $1 AND step = $2", {run.str(), kQueueJob});
  });
  boot();
  cancel(run);
  EXPECT_EQ(ends(run), kCancelled);
}

// ---- others

TEST_P(JobRuns, AJobThatSomebodyCancelsByItselfEndsItsRunAsCancelled) {
  const auto run = queued_build();
  write([&](Transaction& tx) { EXPECT_TRUE(fleet::request_job_cancel(tx, job_of(run), "bob", clock_.now())); });
  look();
  EXPECT_EQ(ends(run), kCancelled);
  EXPECT_FALSE(finish(run).cancel_requested_at);
}

TEST_P(JobRuns, ACancelledRunIsDoneAgainByANewJob) {
  const auto first = queued_build();
  cancel(first);
  finish(first);
  durable::Retried again;
  const auto wish = hub_->on_loop([&] { return hub_->engine().make_retry(first, "", "usr_bob"); });
  write([&](Transaction& tx) { again = hub_->engine().insert_retry(tx, wish); });
  launch(again.record);
  await_step(again.record.id, kQueueJob);
  complete(take());
  EXPECT_EQ(ends(again.record.id), kDone);
}

TEST_P(JobRuns, AnImportThatWasDoneBeforeItsCancelTookHoldIsReady) {
  const auto run = start_import();
  await_step(run, kQueueJob);
  const auto held = take();
  cancel(run);
  await_step(run, kAskToCancel);
  complete(held);
  EXPECT_EQ(ends(run), kDone);
  read([](Transaction& tx) {
    EXPECT_EQ(fleet::get_version(tx, base::TemplateVersionId("tpv_1")).status, fleet::VersionStatus::ready);
  });
}

}  // namespace
}  // namespace slipway::workflows
