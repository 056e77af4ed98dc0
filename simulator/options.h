#pragma once
// What the program is told on its command line.

#include <string>
#include <vector>

#include "simulator/world.h"

namespace CLI {
class App;
}

namespace slipway::simulator {

struct ProgramOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  WorldOptions world;
  std::vector<std::string> quotas;  // NAME=NUMBER
  std::vector<std::string> delays;  // NAME=SECONDS
  std::string faults;               // a file, or JSON
  std::string state_file;
  std::string credentials;                 // a folder
  std::vector<std::string> clusters;       // ids
  std::vector<std::string> topics;         // ids
  std::vector<std::string> subscriptions;  // ID:TOPIC
};

void add_options(CLI::App& app, ProgramOptions& options);
// Takes `delays` over into the world's, before it is made. Throws Error.
void set_delays(ProgramOptions& options);
// What is there before the first request, unless the state file has it already. Throws Error or Failure.
void furnish(World& world, const ProgramOptions& options);

}  // namespace slipway::simulator
