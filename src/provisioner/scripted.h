#pragma once
// A provisioner that does what a file in the template says (RUN-23, script.h): for tests and demos, without any cloud.
// What it makes is repeatable: ids come from the workspace and the address, and nothing is made that no state has
// announced.

#include <functional>
#include <memory>
#include <stop_token>

#include "base/time.h"
#include "provisioner/protocol.h"

namespace slipway::provisioner {

inline constexpr std::string_view kScriptedType = "scripted";

struct ScriptedOptions {
  // Comes back after that time, or when the token stops. Empty: it really waits.
  std::function<void(base::Duration, std::stop_token)> wait;
  // What the step `die` does. Empty: the session ends with PROVISIONER_DIED.
  std::function<void()> die;
};

class ScriptedProvisioner final : public Provisioner {
 public:
  explicit ScriptedProvisioner(ScriptedOptions options = {});
  std::string_view type() const override { return kScriptedType; }
  void check() const override {}
  std::unique_ptr<Session> open(SessionEvents events) override;

 private:
  std::shared_ptr<const ScriptedOptions> options_;
};

}  // namespace slipway::provisioner
