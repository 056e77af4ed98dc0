#pragma once
// Compares what the cloud has with what is recorded: machines that nobody knows burn money, and a record of a machine
// that is gone is a lie. What is certain is put right in the records; the rest is alerted.

#include "workflows/workstation_services.h"

namespace slipway::workflows {

struct SweepRequest {
  std::optional<bool> delete_orphans;  // machines of this hub that no record speaks of
};
SLIPWAY_JSON_CAMEL(SweepRequest, delete_orphans)

struct SweepReport {
  std::int64_t machines = 0;  // of this hub, in the cloud
  std::vector<std::string> orphans;
  std::vector<std::string> lost;      // recorded and not there
  std::vector<std::string> observed;  // in another state than recorded
  std::vector<std::string> unreachable;
};
SLIPWAY_JSON_CAMEL(SweepReport, machines, orphans, lost, observed, unreachable)

class WorkstationSweep {
 public:
  static constexpr std::string_view kType = "workstation.sweep";
  static constexpr bool kSchedulable = true;
  static std::vector<std::string> outline();
  explicit WorkstationSweep(const WorkstationServices& services) : services_(services) {}

  durable::Run<SweepReport> operator()(durable::Context& run, SweepRequest request) const;

 private:
  const WorkstationServices& services_;
};

// The decision: what a config of the cloud has, against the records of it. Plain.
struct Machine {
  std::string name;
  std::string host;
  google::WorkstationState state = google::WorkstationState::unknown;
  std::optional<base::Instant> created_at;
};
SLIPWAY_JSON_CAMEL(Machine, name, host, state, created_at)
struct Drift {
  std::vector<Machine> orphans;
  std::vector<fleet::Workstation> lost;
  std::vector<std::pair<fleet::Workstation, fleet::WorkstationStatus>> changed;
};
// The machines were seen at `seen_at`: of a record that changed after it they say nothing. Orphans are older than
// `grace` by then: a younger one may be in somebody's hands.
// `others`: second machines of workstations that are being moved. A machine of a record that failed is an orphan, too:
// it should have been taken away.
Drift find_drift(const std::vector<Machine>& machines, const std::vector<fleet::Workstation>& records,
                 const std::vector<std::string>& others, base::Instant seen_at, base::Duration grace);

}  // namespace slipway::workflows
