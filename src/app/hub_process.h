#pragma once
// A hub from its start to its end: wires every room, bottom-up and by hand, serves, and drains.

#include <memory>

#include "app/hub_config.h"
#include "observe/log.h"

namespace slipway::app {

class HubProcess {
 public:
  // Opens the store and everything else; does not serve yet. Throws what a person has to mend: an address in use, a
  // database that is not there, a missing agent program.
  explicit HubProcess(const HubConfig& config);
  ~HubProcess();

  // Serves until SIGTERM or SIGINT, then drains: at most 10 s. Whatever is cut off then goes on at the next start.
  // Then it ends the process.
  [[noreturn]] void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::app
