#pragma once
// Makes a pushed version of a template ready for use: a job that parses it and plans it for start and for stop (RUN-1).

#include "workflows/job_run.h"

namespace slipway::workflows {

struct TemplateImportRequest {
  base::TemplateVersionId version_id;
};
SLIPWAY_JSON_CAMEL(TemplateImportRequest, version_id)

class TemplateImport {
 public:
  static constexpr std::string_view kType = "template.import";
  static std::vector<std::string> outline() { return {std::string(kQueueJob), std::string(fleet::kJobEnded)}; }
  explicit TemplateImport(const Services& services) : services_(services) {}

  durable::Run<> operator()(durable::Context& run, TemplateImportRequest request) const;
  // A failure that no job has told of.
  void on_failure(store::Transaction& tx, const TemplateImportRequest& request, const durable::BadEnd& end) const;

 private:
  const Services& services_;
};

}  // namespace slipway::workflows
