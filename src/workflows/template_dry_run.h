#pragma once
// Plans a version of a template for a workspace that does not exist (RUN-1). The job was put in line with the run, in
// one transaction, because the values of its parameters belong into no run's input; what it found stays with the job.

#include "workflows/job_run.h"

namespace slipway::workflows {

struct TemplateDryRunRequest {
  base::JobId job_id;
};
SLIPWAY_JSON_CAMEL(TemplateDryRunRequest, job_id)

class TemplateDryRun {
 public:
  static constexpr std::string_view kType = "template.dry_run";
  static std::vector<std::string> outline() { return {std::string(kQueueJob), std::string(fleet::kJobEnded)}; }
  explicit TemplateDryRun(const Services& services) : services_(services) {}

  durable::Run<> operator()(durable::Context& run, TemplateDryRunRequest request) const;
  // A run that was parked leaves no job in line.
  void on_failure(store::Transaction& tx, const TemplateDryRunRequest& request, const durable::BadEnd& end) const;
  // Its job has ended and its values are gone with it: a new one is to be asked for.
  void on_retry(store::Transaction& tx, const TemplateDryRunRequest& request, const durable::Again& again) const;

 private:
  const Services& services_;
};

}  // namespace slipway::workflows
