#include "workflows/template_import.h"

#include "fleet/identity.h"
#include "fleet/template.h"

namespace slipway::workflows {
namespace {

fleet::NewJob make_job(store::Transaction& tx, const base::TemplateVersionId& id, const RunId& run,
                       const std::string& trace) {
  const auto version = fleet::get_version(tx, id);
  fleet::hold_template(tx, version.template_id);
  const auto user = fleet::find_user(tx, version.created_by);
  const std::string name = user ? user->name : version.created_by.str();
  fleet::NewJob job{.id = job_of(run),
                    .type = fleet::JobType::template_import,
                    .provisioner = version.provisioner,
                    .tags = version.tags,
                    .owner_id = version.created_by,
                    .requested_by = version.created_by,
                    .requested_by_name = name,
                    .template_id = version.template_id,
                    .version_id = version.id,
                    .workspace_id = {},
                    .build_id = {},
                    .run_id = run,
                    .archive = version.archive,
                    .metadata = {},
                    .values = {},
                    .trace = trace};
  job.metadata.owner_id = version.created_by.str();
  job.metadata.owner_name = name;
  job.metadata.workspace_name = "import";
  job.metadata.template_name = version.template_name;
  job.metadata.template_version = version.name;
  fleet::start_import(tx, id, run, job.id);
  return job;
}

}  // namespace

durable::Run<> TemplateImport::operator()(durable::Context& run, TemplateImportRequest request) const {
  const Services& services = services_;
  const auto id = request.version_id;
  co_await run_job(run, services, [id, run_id = run.id(), trace = run.trace()](store::Transaction& tx) {
    return std::optional(make_job(tx, id, run_id, trace));
  });
}

void TemplateImport::on_failure(store::Transaction& tx, const TemplateImportRequest& request,
                                const durable::BadEnd& end) const {
  if (!end_job(tx, end.run, end.at)) return;  // the import ends with its job
  const auto status =
      end.status == durable::RunStatus::cancelled ? fleet::VersionStatus::cancelled : fleet::VersionStatus::failed;
  fleet::fail_import(tx, request.version_id, status, {end.failure.code, end.failure.message}, end.at);
}

}  // namespace slipway::workflows
