#pragma once
// A provisioner that is a program of its own: one process for each session, with the protocol on its stdin and stdout
// (codec.h, docs/provisioners.md). What it prints to stderr becomes log lines (warn).

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "provisioner/protocol.h"

namespace slipway::provisioner {

struct StdioOptions {
  std::string type;
  std::vector<std::string> command;                // [0]: an absolute path, or a name looked up in PATH
  std::string directory = "/";                     // in which it is started; the template's folder comes with Config
  std::map<std::string, std::string> environment;  // beside ours (child_environment.h)
  std::function<void()> check;                     // of what the program needs; empty: only that it is there
  base::Duration hello_bound{60'000};              // from its start until it says hello
  base::Duration cancel_bound{180'000};            // from a gentle close until SIGTERM to its group
  base::Duration terminate_bound{10'000};          // from there until SIGKILL
};

// The process leads a session and group of its own. It is told to end by a Cancel, if a request is under way, and the
// end of its stdin; so it also learns of the daemon's death. When a session is closed, everything that the process has
// started is gone with it (leftovers.h), whether it ended well or not.
//
// A session ends with PROVISIONER_DIED when the process ends unasked (with the last lines of its stderr),
// PROVISIONER_UNAVAILABLE when it cannot be started, PROTOCOL_ERROR when it says what it should not. Each session has a
// thread of its own.
class StdioProvisioner final : public Provisioner {
 public:
  explicit StdioProvisioner(StdioOptions options);
  std::string_view type() const override { return options_->type; }
  void check() const override;
  std::unique_ptr<Session> open(SessionEvents events) override;

 private:
  std::shared_ptr<const StdioOptions> options_;
};

}  // namespace slipway::provisioner
