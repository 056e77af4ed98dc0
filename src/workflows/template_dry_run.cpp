#include "workflows/template_dry_run.h"

namespace slipway::workflows {

durable::Run<> TemplateDryRun::operator()(durable::Context& run, TemplateDryRunRequest) const {
  // Nothing is made here: job_of(run) is there already, and an id that is there stays as it is.
  co_await follow_job(run, services_);
}

void TemplateDryRun::on_failure(store::Transaction& tx, const TemplateDryRunRequest&,
                                const durable::BadEnd& end) const {
  end_job(tx, end.run, end.at);
}

void TemplateDryRun::on_retry(store::Transaction&, const TemplateDryRunRequest&, const durable::Again&) const {
  throw base::invalid_state("a dry run is not done again: ask for a new one");
}

}  // namespace slipway::workflows
