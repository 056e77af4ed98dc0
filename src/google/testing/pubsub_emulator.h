#pragma once
// Google's Pub/Sub emulator on a free port, for as long as this lives.

#include <sys/types.h>

#include <string>

namespace slipway::google::testing {

class PubsubEmulator {
 public:
  // Whether it is on this machine: tools/install-packages --test.
  static bool is_installed();
  PubsubEmulator();  // returns when it listens; throws std::runtime_error when it does not
  ~PubsubEmulator();
  PubsubEmulator(const PubsubEmulator&) = delete;
  PubsubEmulator& operator=(const PubsubEmulator&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  bool listens() const;

  pid_t group_ = 0;
  int port_ = 0;
};

}  // namespace slipway::google::testing
