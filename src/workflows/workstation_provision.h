#pragma once
// From a finished checkout to a running workstation and a mail with a link to it: WP-1 to WP-10.

#include "workflows/workstation_services.h"

namespace slipway::workflows {

struct Provisioned {
  std::string workstation_id;
  std::string gcp_workstation_id;
  std::string launch_url;
};
SLIPWAY_JSON_CAMEL(Provisioned, workstation_id, gcp_workstation_id, launch_url)

class WorkstationProvision {
 public:
  static constexpr std::string_view kType = kProvisionType;
  static std::vector<std::string> outline();
  explicit WorkstationProvision(const WorkstationServices& services) : services_(services) {}

  durable::Run<Provisioned> operator()(durable::Context& run, ProvisionRequest request) const;
  void on_failure(store::Transaction& tx, const ProvisionRequest& request, const durable::BadEnd& end) const;
  // What a failed provisioning left is `failed`; it is being made again.
  void on_retry(store::Transaction& tx, const ProvisionRequest& request, const durable::Again& again) const;

 private:
  const WorkstationServices& services_;
};

}  // namespace slipway::workflows
