#include "workflows/workspace_build.h"

#include "fleet/build.h"
#include "fleet/identity.h"
#include "fleet/template.h"

namespace slipway::workflows {

using namespace std::chrono_literals;
using durable::every;
using fleet::Scope;

namespace {

const Scope kOwnRun = Scope::everything("the run of this build");

std::string name_of(store::Transaction& tx, const base::UserId& id) {
  const auto user = fleet::find_user(tx, id);
  return user ? user->name : id.str();
}

// What was given to the build before this one, for provisioners that care for the difference.
std::vector<fleet::NamedValue> previous_parameters(store::Transaction& tx, const Services& services,
                                                   const fleet::Build& build) {
  const auto before = fleet::list_builds(tx, services.sealer, kOwnRun, build.workspace_id, build.number, 1);
  return before.empty() ? std::vector<fleet::NamedValue>{} : before.front().parameters;
}

fleet::NewJob make_job(store::Transaction& tx, const Services& services, const fleet::Build& build, const RunId& run,
                       const std::string& trace) {
  const auto version = fleet::get_version(tx, build.version_id);
  fleet::NewJob job{.id = job_of(run),
                    .type = fleet::JobType::workspace_build,
                    .provisioner = version.provisioner,
                    .tags = version.tags,
                    .owner_id = build.owner_id,
                    .requested_by = build.requested_by,
                    .requested_by_name = name_of(tx, build.requested_by),
                    .template_id = build.template_id,
                    .version_id = build.version_id,
                    .workspace_id = build.workspace_id,
                    .build_id = build.id,
                    .run_id = run,
                    .archive = version.archive,
                    .metadata = {},
                    .values = {.variables = fleet::version_values(tx, services.sealer, version),
                               .parameters = build.parameters,
                               .previous_parameters = previous_parameters(tx, services, build)},
                    .trace = trace};
  job.metadata = {.hub_url = {},
                  .transition = build.transition,
                  .workspace_id = build.workspace_id.str(),
                  .workspace_name = build.workspace_name,
                  .owner_id = build.owner_id.str(),
                  .owner_name = name_of(tx, build.owner_id),
                  .template_name = version.template_name,
                  .template_version = version.name,
                  .build_id = build.id.str(),
                  .build_number = build.number};
  return job;
}

// The job, unless there is nothing to do for one: then the build is complete.
std::optional<fleet::NewJob> begin(store::Transaction& tx, const Services& services,
                                   const WorkspaceBuildRequest& request, const RunId& run, const std::string& trace) {
  const auto build = fleet::find_build(tx, services.sealer, kOwnRun, request.build_id);
  if (!build) throw base::not_found("build", request.build_id.str());
  const bool is_nothing = request.transition == fleet::Transition::destroy &&
                          (request.orphan || !fleet::has_state(tx, request.workspace_id));
  if (is_nothing) {
    fleet::complete_build(tx, build->id, {}, {}, services.clock.now());
    return std::nullopt;
  }
  if (build->transition == fleet::Transition::start) services.issue_agent_token(tx, build->workspace_id);
  auto job = make_job(tx, services, *build, run, trace);
  fleet::set_build_job(tx, build->id, job.id);
  return job;
}

bool earlier_jobs_have_ended(const Services& services, const WorkspaceId& workspace, const RunId& own) {
  std::vector<fleet::Job> at_work;
  services.database.read_and_wait([&](store::Transaction& tx) { at_work = fleet::unfinished_jobs(tx, workspace); });
  std::erase_if(at_work, [&](const fleet::Job& job) { return job.id == job_of(own); });
  for (const auto& job : at_work)
    if (!job.cancel_requested_at) ask_to_cancel(services, job.id, "the run that takes its workspace away");
  return at_work.empty();
}

}  // namespace

durable::Run<> WorkspaceBuild::operator()(durable::Context& run, WorkspaceBuildRequest request) const {
  const Services& services = services_;
  const RunId own = run.id();
  // Taking a workspace away is legal in every state: what is at work on it is cancelled first. A job may be at work
  // without a run: that of one which was parked, or ended there.
  if (request.transition == fleet::Transition::destroy) {
    co_await run.poll("wait-for-earlier-runs", every(200ms).at_most(24h), [&services, request, own] {
      return earlier_runs_have_ended(services, request.workspace_id, own) &&
             earlier_jobs_have_ended(services, request.workspace_id, own);
    });
  }
  co_await run_job(run, services, [&services, request, own, trace = run.trace()](store::Transaction& tx) {
    return begin(tx, services, request, own, trace);
  });
}

void WorkspaceBuild::on_failure(store::Transaction& tx, const WorkspaceBuildRequest& request,
                                const durable::BadEnd& end) const {
  if (!end_job(tx, end.run, end.at)) return;  // the build ends with its job
  const bool is_cancelled = end.status == durable::RunStatus::cancelled;
  fleet::fail_build(tx, request.build_id,
                    {.status = is_cancelled ? fleet::JobStatus::cancelled : fleet::JobStatus::failed,
                     .problem = {end.failure.code, end.failure.message},
                     .has_applied = false,
                     .resources = {}},
                    end.at);
}

void WorkspaceBuild::on_retry(store::Transaction& tx, const WorkspaceBuildRequest& request,
                              const durable::Again& again) const {
  const auto build = fleet::find_build(tx, services_.sealer, kOwnRun, request.build_id);
  const auto built = fleet::find_built_workspace(tx, services_.sealer, request.workspace_id);
  if (!build || !built) throw base::invalid_state("the workspace is gone");
  if (built->build_number != build->number)
    throw base::invalid_state("the workspace has a newer build by now: there is nothing to do again");
  auto workspace = fleet::get(tx, kOwnRun, request.workspace_id);
  if (workspace.run_id) throw base::invalid_state("run '" + workspace.run_id->str() + "' is at work on the workspace");
  fleet::take(tx, workspace, again.run, again.at);
  fleet::retry_build(tx, request.build_id, again.run);
}

}  // namespace slipway::workflows
