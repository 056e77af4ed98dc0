#pragma once
// Forgets what nobody asks for any more: answers kept under Idempotency-Keys, changes older than a live stream can
// resume from, alerts that were resolved long ago, messages that cannot come again, states of workspaces that are gone,
// archives that no template uses, and builds of long ago.

#include "workflows/services.h"

namespace slipway::workflows {

struct ForgetRequest {};
SLIPWAY_JSON_CAMEL(ForgetRequest)

struct Forgotten {
  std::int64_t answers = 0;
  std::int64_t changes = 0;
  std::int64_t alerts = 0;
  std::int64_t messages = 0;
  std::int64_t states = 0;
  std::int64_t blobs = 0;
  std::int64_t builds = 0;
};
SLIPWAY_JSON_CAMEL(Forgotten, answers, changes, alerts, messages, states, blobs, builds)

class ForgetOld {
 public:
  static constexpr std::string_view kType = "hub.forget-old";
  static constexpr bool kSchedulable = true;
  static std::vector<std::string> outline();
  explicit ForgetOld(Services& services) : services_(services) {}

  durable::Run<Forgotten> operator()(durable::Context& run, ForgetRequest request) const;

 private:
  Services& services_;
};

}  // namespace slipway::workflows
