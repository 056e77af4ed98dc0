#pragma once
// What happens to a workstation after it was made: start, stop, another tier, and its end. Who asks has made the run
// the one in progress (`fleet::take_workstation`) in the transaction that started it.

#include "workflows/workstation_services.h"

namespace slipway::workflows {

class WorkstationStart {
 public:
  static constexpr std::string_view kType = "workstation.start";
  static std::vector<std::string> outline();
  explicit WorkstationStart(const WorkstationServices& services) : services_(services) {}
  durable::Run<> operator()(durable::Context& run, WorkstationRequest request) const;
  void on_failure(store::Transaction& tx, const WorkstationRequest& request, const durable::BadEnd& end) const;
  void on_retry(store::Transaction& tx, const WorkstationRequest& request, const durable::Again& again) const;

 private:
  const WorkstationServices& services_;
};

class WorkstationStop {
 public:
  static constexpr std::string_view kType = "workstation.stop";
  static std::vector<std::string> outline();
  explicit WorkstationStop(const WorkstationServices& services) : services_(services) {}
  durable::Run<> operator()(durable::Context& run, WorkstationRequest request) const;
  void on_failure(store::Transaction& tx, const WorkstationRequest& request, const durable::BadEnd& end) const;
  void on_retry(store::Transaction& tx, const WorkstationRequest& request, const durable::Again& again) const;

 private:
  const WorkstationServices& services_;
};

// Stops it and takes it away, its home too; its record stays, as deleted.
class WorkstationOffboard {
 public:
  static constexpr std::string_view kType = "workstation.offboard";
  static std::vector<std::string> outline();
  explicit WorkstationOffboard(const WorkstationServices& services) : services_(services) {}
  durable::Run<> operator()(durable::Context& run, WorkstationRequest request) const;
  void on_failure(store::Transaction& tx, const WorkstationRequest& request, const durable::BadEnd& end) const;
  void on_retry(store::Transaction& tx, const WorkstationRequest& request, const durable::Again& again) const;

 private:
  const WorkstationServices& services_;
};

// Another tier is another workstation config, and a workstation cannot move: it is made anew in that config as a clone
// of the stopped one, with its home, under a new id; then the old one is taken away.
class WorkstationChangeTier {
 public:
  static constexpr std::string_view kType = "workstation.change-tier";
  static std::vector<std::string> outline();
  explicit WorkstationChangeTier(const WorkstationServices& services) : services_(services) {}
  durable::Run<> operator()(durable::Context& run, WorkstationRequest request) const;
  void on_failure(store::Transaction& tx, const WorkstationRequest& request, const durable::BadEnd& end) const;
  void on_retry(store::Transaction& tx, const WorkstationRequest& request, const durable::Again& again) const;

 private:
  const WorkstationServices& services_;
};

}  // namespace slipway::workflows
