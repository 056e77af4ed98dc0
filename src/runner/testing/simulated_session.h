#pragma once
// A provisioner for the simulation: its sessions do what a seed decides, with delays, log storms, states, errors,
// deaths, hangs, and with more or less obedience to cancels; or, as Terraform's do, under the state's lock. What they
// say is noted for the hub's comparison.

#include <memory>
#include <string>

#include "provisioner/protocol.h"
#include "runner/testing/simulated_hub.h"

namespace slipway::runner::testing {

// How often what happens, of requests.
struct SessionHabits {
  double fails = 0.12, dies = 0.05, hangs = 0.06, ignores_cancel = 0.15, finishes_though_cancelled = 0.2;
  double storm = 0.1, flood = 0.01, writes_state = 0.25, loses_state = 0.1, makes_things = 0.5;
  double repeatable = 0.7;
  bool locks_state = false;  // then nothing is repeatable, and states go to the hub past the daemon
  base::Duration step_max{1'500};
};

// What goes on around the sessions of a machine.
struct Surroundings {
  bool stopping = false;  // nothing new may be begun any more
  bool forced = false;    // what runs may be killed
  bool cut = false;       // from the hub
  bool outlived = false;  // the daemon dies, and its sessions, which are processes of their own, do not
};

class SimulatedProvisioner final : public provisioner::Provisioner {
 public:
  SimulatedProvisioner(SimulatedWorld& world, SimulatedHub& hub, SessionHabits habits)
      : world_(world), hub_(hub), habits_(habits) {}

  std::string_view type() const override { return "simulated"; }
  void check() const override {}
  std::unique_ptr<provisioner::Session> open(provisioner::SessionEvents events) override;
  Surroundings& surroundings() { return *surroundings_; }

 private:
  SimulatedWorld& world_;
  SimulatedHub& hub_;
  SessionHabits habits_;
  std::shared_ptr<Surroundings> surroundings_ = std::make_shared<Surroundings>();
};

}  // namespace slipway::runner::testing
