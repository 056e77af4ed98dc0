#pragma once
// How a hub is set up: flags, environment, and a file, in this order of precedence.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"

namespace CLI {
class App;
}

namespace slipway::app {

struct HubConfig {
  std::filesystem::path data = ".slipway";
  std::string address = "127.0.0.1";
  int port = 7070;              // 0: a free one; client.json tells which
  std::string database;         // postgres://… ; empty: SQLite in the data folder
  std::string public_url;       // what clients are told; empty: from address and port
  std::filesystem::path agent;  // the agent program; empty: slipway-agent beside this program
  std::string sandbox_network = "auto";
  std::string keep_runs = "90d";         // since their end; 0: for ever
  std::int64_t keep_runs_max = 100'000;  // of each type; 0: all
  std::filesystem::path archive_runs;    // where they are written before; empty: nowhere
  std::string log_level = "info";
  std::string log_format = "text";
  bool webhook_allow_private = false;
  std::vector<std::string> webhook_allow;  // networks, e.g. 10.1.0.0/16
  std::filesystem::path cloud;             // the file about Google Cloud (cloud_config.h); empty: none
  std::int64_t jobs_per_owner = 0;         // provisioner jobs of one owner at once; 0: no limit
  std::string jobs_pending_max = "24h";    // that no daemon can take; then they fail
  bool open_metrics = false;
  std::string rate_limit = "6000/1m";     // requests of an API key; 0: no limit
  std::vector<std::string> cors_origins;  // pages that may use the API
  std::filesystem::path tls_certificate, tls_key;
  std::size_t embedded_runners = 2;  // jobs at once of the provisioner daemon in this process; 0: none
};

// `6000/1m`: so many, and in how long; `0`: no limit, with a duration of zero. Empty when it is neither.
struct Rate {
  std::int64_t count = 0;
  base::Duration period{0};
};
std::optional<Rate> parse_rate(const std::string& text);

// Adds every option, with its environment variable, to `serve`.
void add_options(CLI::App& serve, HubConfig& config);

}  // namespace slipway::app
