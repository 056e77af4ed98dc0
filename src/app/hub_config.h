#pragma once
// How a hub is set up: flags, environment, and a file, in this order of precedence.

#include <filesystem>
#include <string>

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
  std::string log_level = "info";
  std::string log_format = "text";
  bool open_metrics = false;
  std::filesystem::path tls_certificate, tls_key;
};

// Adds every option, with its environment variable, to `serve`.
void add_options(CLI::App& serve, HubConfig& config);

}  // namespace slipway::app
