#include "api/job_view.h"

namespace slipway::api {
namespace {

using fleet::Job;
using fleet::JobStatus;

JobErrorView view_error(const base::Error& error) {
  return {error.code(), error.error_class(), error.message(), error.details()};
}

std::string phase_in_words(const Job& job) {
  return "the daemon '" + job.daemon_name + "' has it, in the phase " + boost::describe::enum_to_string(job.phase, "");
}

void explain_running(Why& why, const Job& job) {
  if (job.salvage_until) {
    why.because.push_back("the daemon '" + job.daemon_name +
                          "' was lost while the job applied, and what it left behind still has the state's lock");
    why.next.push_back(
        {"it begins anew once the lock is given back; else it fails, and the state is kept", job.salvage_until});
    return;
  }
  why.because.push_back(phase_in_words(job));
  if (job.cancel_requested_at) why.next.push_back({"it ends as soon as the provisioner has let go of it", {}});
  if (job.lease_until)
    why.next.push_back({"it is taken back from the daemon, unless that is heard of before", job.lease_until});
}

void explain_pending(Why& why, const fleet::JobStanding& standing) {
  why.because.push_back("it waits: " + standing.explanation);
  why.because.push_back(std::to_string(standing.ahead) + " jobs that ask for the same are ahead of it");
  for (const auto& daemon : standing.daemons) {
    std::string text = "the daemon '" + daemon.name + "' (" + boost::describe::enum_to_string(daemon.status, "") +
                       ", " + std::to_string(daemon.busy) + " of " + std::to_string(daemon.runners) + " at work)";
    if (!daemon.has_provisioner) text += " does not have its provisioner";
    for (const auto& [name, value] : daemon.missing_tags) text += " lacks the tag " + name + "=" + value;
    why.because.push_back(std::move(text));
  }
  if (fleet::nobody_can_take(standing))
    why.next.push_back({"nothing, until a daemon comes that can do it", {}});
  else
    why.next.push_back({"a daemon takes it when its turn comes", standing.until});
}

}  // namespace

const json::Rules& json_rules(const JobView*) {
  static const json::Rules rules{
      {.member = "provisioner", .description = "That its daemon must have"},
      {.member = "tags", .description = "That its daemon must have, too"},
      {.member = "owner_id", .description = "Whose turn it takes, and whose quota it uses"},
      {.member = "run_id", .description = "The run that waits for it"},
      {.member = "attempt", .description = "0 until it is taken first"},
      {.member = "phase", .description = "How far its daemon says it is"},
      {.member = "daemon_id", .description = "That has it, or had it last"},
      {.member = "salvage_until",
       .description = "Its daemon was lost, and what that left behind may write its last state until then"},
      {.member = "pending", .description = "Why it waits"},
      {.member = "error", .description = "Of the last attempt, also while it waits for another"},
      {.member = "dead_letter",
       .description = "Given up after its attempts, or because nobody could take it: a person has to look"},
      {.member = "log_lines", .description = "How many lines its log has had, over all attempts"}};
  return rules;
}

namespace {

JobView view_record(const Job& job) {
  JobView view{.id = job.id,
               .type = job.type,
               .status = job.status,
               .provisioner = job.provisioner,
               .tags = job.tags,
               .priority = job.priority,
               .owner_id = job.owner_id,
               .requested_by = job.requested_by,
               .requested_by_name = job.requested_by_name,
               .template_id = job.template_id,
               .version_id = job.version_id,
               .workspace_id = job.workspace_id,
               .build_id = job.build_id,
               .run_id = job.run_id,
               .attempt = job.attempt,
               .attempts_max = job.attempts_max,
               .daemon_id = job.daemon_id,
               .salvage_until = job.salvage_until,
               .cancel_requested_at = job.cancel_requested_at,
               .dead_letter = job.dead_letter,
               .log_lines = job.next_log,
               .created_at = job.created_at,
               .started_at = job.started_at,
               .ended_at = job.ended_at};
  if (job.status == JobStatus::running) view.phase = job.phase;
  if (job.daemon_id) view.daemon_name = job.daemon_name;
  if (job.cancel_requested_at) view.cancel_by = job.cancel_by;
  if (job.error && job.status != JobStatus::succeeded) view.error = view_error(*job.error);
  return view;
}

}  // namespace

JobView view_job_briefly(const Job& job, const fleet::JobStandings& standings) {
  auto view = view_record(job);
  if (job.status != JobStatus::pending) return view;
  view.pending = standings.of(job);
  view.pending->daemons.clear();
  return view;
}

JobView view_job(store::Transaction& tx, const Job& job, const fleet::QueueLimits& limits, base::Instant now) {
  auto view = view_record(job);
  view.timings = job.timings;
  if (job.outcome) {
    view.template_import = job.outcome->template_import;
    view.dry_run = job.outcome->dry_run;
    view.build = job.outcome->build;
  }
  if (job.status == JobStatus::pending) view.pending = fleet::standing_of(tx, job, limits, now);
  return view;
}

Why explain_job(store::Transaction& tx, const fleet::Scope& scope, const base::JobId& id,
                const fleet::QueueLimits& limits, base::Instant now) {
  const auto job = fleet::find_job(tx, scope, id);
  if (!job) throw base::not_found("job", id.str());
  Why why{.id = id.str(), .kind = "job", .state = boost::describe::enum_to_string(job->status, "")};
  if (job->cancel_requested_at) why.because.push_back("a cancel was asked for by " + job->cancel_by);
  if (job->status == JobStatus::pending) explain_pending(why, fleet::standing_of(tx, *job, limits, now));
  if (job->status == JobStatus::running) explain_running(why, *job);
  if (job->error && job->status != JobStatus::succeeded && job->status != JobStatus::pending)
    why.because.push_back((job->ended_at ? "" : "the attempt before: ") + job->error->code() + ": " +
                          job->error->message());
  if (job->status == JobStatus::succeeded) why.because.push_back("the daemon '" + job->daemon_name + "' did it");
  if (job->dead_letter) why.next.push_back({"nothing by itself: a person has to look; its run can be retried", {}});
  return why;
}

}  // namespace slipway::api
