#pragma once
// Brings a workspace that is built from a template to what a build asks for: start, stop or destroy. The work itself is
// a job for a provisioner daemon: plan, quota, apply.

#include "workflows/job_run.h"

namespace slipway::workflows {

struct WorkspaceBuildRequest {
  WorkspaceId workspace_id;
  base::BuildId build_id;
  fleet::Transition transition = fleet::Transition::start;
  // The record goes and whatever was built stays, unknown to us: for an admin, where nothing can destroy it any more.
  bool orphan = false;
};
SLIPWAY_JSON_CAMEL(WorkspaceBuildRequest, workspace_id, build_id, transition, orphan)

class WorkspaceBuild {
 public:
  static constexpr std::string_view kType = "workspace.build";
  static std::vector<std::string> outline() {
    return {"wait-for-earlier-runs", std::string(kQueueJob), std::string(fleet::kJobEnded)};
  }
  explicit WorkspaceBuild(const Services& services) : services_(services) {}

  durable::Run<> operator()(durable::Context& run, WorkspaceBuildRequest request) const;
  // A failure that no job has told of.
  void on_failure(store::Transaction& tx, const WorkspaceBuildRequest& request, const durable::BadEnd& end) const;
  void on_retry(store::Transaction& tx, const WorkspaceBuildRequest& request, const durable::Again& again) const;

 private:
  const Services& services_;
};

}  // namespace slipway::workflows
