// How jobs end: the record, what they are about, and who is told, in one transaction (RUN-13).

#include "durable/mailbox.h"
#include "fleet/alert.h"
#include "fleet/change_feed.h"
#include "fleet/job_change.h"
#include "fleet/job_queue.h"
#include "fleet/job_rows.h"
#include "fleet/job_subject.h"

namespace slipway::fleet {
namespace {

JobEnd end_of(const Job& job) {
  JobEnd end{.job_id = job.id,
             .status = job.status,
             .finished_before_cancel = job.status == JobStatus::succeeded && job.cancel_requested_at.has_value()};
  if (job.error && job.status != JobStatus::succeeded) {
    end.code = job.error->code();
    end.error_class = job.error->error_class();
    end.message = job.error->message();
  }
  return end;
}

void store_error(store::Transaction& tx, const Job& job) {
  const auto& error = *job.error;
  tx.execute(
      "UPDATE provisioner_jobs SET error_code = $2, error_class = $3, error_message = $4, error_details = $5 "
      "WHERE id = $1",
      {job.id.str(), error.code(), name_of(error.error_class()), error.message(),
       error.details().is_null() ? std::nullopt : std::optional(json::print_value(error.details()))});
}

void raise_dead_letter(store::Transaction& tx, const Job& job, Instant now) {
  raise_alert(tx,
              {.kind = "job.dead_letter",
               .severity = AlertSeverity::warning,
               .resource_type = "job",
               .resource_id = job.id.str(),
               .owner_id = job.owner_id.str(),
               .run_id = job.run_id.empty() ? std::nullopt : std::optional(job.run_id.str()),
               .message = "the job was given up after " + std::to_string(job.attempt) + " of " +
                          std::to_string(job.attempts_max) + " attempts: " + job.error->message(),
               .details = json::Object{{"code", job.error->code()}, {"type", name_of(job.type)}}},
              now);
}

base::Error lease_lost(const JobId& id) {
  return base::Error(base::ErrorClass::conflict, "JOB_LEASE_LOST",
                     "job '" + id.str() + "' is not this daemon's any more: it was taken back");
}

base::Error ended(const Job& job) {
  return base::Error(base::ErrorClass::conflict, "JOB_ENDED",
                     "job '" + job.id.str() + "' has ended as " + name_of(job.status));
}

void check_holder(const Job& job, std::int64_t fence, const DaemonKeyId& key) {
  if (job.fence != fence || job.daemon_key != key.str()) throw lease_lost(job.id);
}

bool fits(JobType type, const CompletedJob& outcome) {
  const int count =
      int(outcome.template_import.has_value()) + int(outcome.dry_run.has_value()) + int(outcome.build.has_value());
  if (count != 1) return false;
  switch (type) {
    case JobType::template_import:
      return outcome.template_import.has_value();
    case JobType::template_dry_run:
      return outcome.dry_run.has_value();
    case JobType::workspace_build:
      return outcome.build.has_value();
  }
  return false;
}

// The daemon says which state it wrote last; what is kept must be that one.
void check_state(store::Transaction& tx, const Job& job, const std::optional<std::string>& sha256) {
  if (!sha256 || !job.workspace_id) return;
  const auto rows = tx.query("SELECT sha256 FROM workspace_states WHERE workspace_id = $1 AND build_number = $2",
                             {job.workspace_id->str(), job.metadata.build_number});
  if (!rows.empty() && rows.front().text(0) == *sha256) return;
  throw base::Error(base::ErrorClass::conflict, "STATE_MISMATCH",
                    "the state that is kept is not the one that the job wrote last: put it again");
}

bool is_worth_trying_again(const FailedJob& failed) {
  return failed.error_class == base::ErrorClass::transient || failed.error_class == base::ErrorClass::throttled;
}

base::Duration back_off(std::int64_t attempt) {
  auto wait = kBackOff;
  for (std::int64_t i = 1; i < attempt && wait < kBackOffMax; ++i) wait *= 4;
  return std::min(wait, kBackOffMax);
}

}  // namespace

void tell_change(store::Transaction& tx, const Job& job, std::string_view what, Instant now) {
  JobChange change{.id = job.id,
                   .type = job.type,
                   .status = job.status,
                   .attempt = job.attempt,
                   .template_id = job.template_id,
                   .version_id = job.version_id,
                   .workspace_id = job.workspace_id,
                   .build_id = job.build_id,
                   .run_id = job.run_id};
  if (job.error && job.status != JobStatus::succeeded) {
    change.error_code = job.error->code();
    change.error_message = job.error->message();
  }
  record_change(tx, job.owner_id, "job." + std::string(what), job.id.str(), now, json::to_value(change));
}

void tell_end(store::Transaction& tx, const Job& job, Instant now) {
  tell_change(tx, job, job.status == JobStatus::succeeded ? "completed" : name_of(job.status), now);
  if (job.run_id.empty()) return;
  durable::mailbox::send(tx, {.run = job.run_id,
                              .kind = durable::InputKind::signal,
                              .name = std::string(kJobEnded),
                              .key = job.id.str(),
                              .payload = json::to_value(end_of(job)),
                              .sender = job.id.str(),
                              .at = now});
}

void end_unsuccessful(store::Transaction& tx, Job& job, JobStatus status, const base::Error& error, bool dead_letter,
                      const std::vector<Resource>& resources, Instant now) {
  job.status = status;
  job.error = error;
  job.dead_letter = dead_letter;
  job.ended_at = now;
  job.lease_until = job.salvage_until = std::nullopt;
  tx.execute(
      "UPDATE provisioner_jobs SET status = $2, dead_letter = $3, ended_at = $4, updated_at = $4, lease_until = NULL, "
      "salvage_until = NULL, sealed_values = '' WHERE id = $1",
      {job.id.str(), name_of(status), dead_letter, now});
  store_error(tx, job);
  on_job_failed(tx, job, status, error, resources, now);
  if (dead_letter) raise_dead_letter(tx, job, now);
  tell_end(tx, job, now);
}

void requeue(store::Transaction& tx, Job& job, const base::Error& error, Instant available_at, std::int64_t fence,
             Instant now) {
  job.status = JobStatus::pending;
  job.error = error;
  job.fence = fence;
  job.available_at = available_at;
  job.phase = JobPhase::setup;
  job.lease_until = job.salvage_until = std::nullopt;
  tx.execute(
      "UPDATE provisioner_jobs SET status = 'pending', fence = $2, available_at = $3, phase = 'setup', "
      "repeatable = 0, lease_until = NULL, salvage_until = NULL, acquire_token = NULL, updated_at = $4 WHERE id = $1",
      {job.id.str(), fence, available_at, now});
  store_error(tx, job);
  tell_change(tx, job, "queued", now);
}

Job held_job(store::Transaction& tx, const JobId& id, std::int64_t fence, const DaemonKeyId& key) {
  auto job = lock_job(tx, id);
  if (!job) throw base::not_found("job", id.str());
  check_holder(*job, fence, key);
  if (job->ended_at) throw ended(*job);
  if (job->status != JobStatus::running || job->salvage_until) throw lease_lost(id);
  return *job;
}

Reported complete_job(store::Transaction& tx, const JobId& id, const DaemonKeyId& key, const CompletedJob& outcome,
                      Instant now) {
  auto job = lock_job(tx, id);
  if (!job) throw base::not_found("job", id.str());
  check_holder(*job, outcome.fence, key);
  if (job->status == JobStatus::succeeded) return {job->status, {}};  // said again: its answer was lost
  if (job->ended_at) throw ended(*job);
  if (job->status != JobStatus::running || job->salvage_until) throw lease_lost(id);
  if (!fits(job->type, outcome))
    throw base::validation_error("outcome", "must be that of a " + name_of(job->type) + ", and nothing else");
  if (outcome.build) check_state(tx, *job, outcome.build->state);
  job->status = JobStatus::succeeded;
  job->outcome = outcome;
  job->timings = outcome.timings;
  job->error = std::nullopt;
  job->ended_at = now;
  job->lease_until = std::nullopt;
  tx.execute(
      "UPDATE provisioner_jobs SET status = 'succeeded', outcome = $2, timings = $3, error_code = NULL, "
      "error_class = NULL, error_message = NULL, error_details = NULL, lease_until = NULL, ended_at = $4, "
      "updated_at = $4, sealed_values = '' WHERE id = $1",
      {id.str(), json::print(outcome), json::print(outcome.timings), now});
  on_job_completed(tx, *job, outcome, now);
  tell_end(tx, *job, now);
  return {job->status, *job};
}

Reported fail_job(store::Transaction& tx, const JobId& id, const DaemonKeyId& key, const FailedJob& failed,
                  Instant now) {
  auto job = lock_job(tx, id);
  if (!job) throw base::not_found("job", id.str());
  check_holder(*job, failed.fence, key);
  if (job->status == JobStatus::succeeded) throw ended(*job);
  if (job->status != JobStatus::running) return {job->status, {}};  // said again
  if (job->salvage_until) throw lease_lost(id);
  check_state(tx, *job, failed.state);
  job->timings = failed.timings;
  tx.execute("UPDATE provisioner_jobs SET timings = $2 WHERE id = $1", {id.str(), json::print(failed.timings)});
  const base::Error error(failed.error_class, failed.code, failed.message);
  const bool again = is_worth_trying_again(failed) && !job->cancel_requested_at;
  if (again && job->attempt < job->attempts_max) {
    requeue(tx, *job, error, now + back_off(job->attempt), job->fence, now);
    return {job->status, *job};
  }
  const bool is_cancelled = failed.cancelled && !again;
  end_unsuccessful(tx, *job, is_cancelled ? JobStatus::cancelled : JobStatus::failed, error, again, failed.resources,
                   now);
  return {job->status, *job};
}

}  // namespace slipway::fleet
