#pragma once
// What stands in the journal in another form than in memory: secrets are sealed, and large data stands beside it.
//
// In memory a base::Secret in a step's result is {"$secret": text} (json::Secrets::marked), at rest {"$sealed": text}.
// Readers without the sealer, such as the API, never see more than that, and show [redacted].

#include <string>

#include "base/json.h"
#include "base/secret.h"

namespace slipway::durable {

// Seals texts at rest. Thread-safe.
class Sealer {
 public:
  virtual ~Sealer() = default;
  virtual std::string seal(const base::Secret& text) const = 0;
  // Throws INTERNAL_ERROR when the text was changed or sealed under another key.
  virtual base::Secret unseal(const std::string& sealed) const = 0;
};

namespace payload {

inline constexpr std::size_t kBesideAbove = 32 * 1024;  // bytes of JSON: larger data stands in run_payloads

// `data` as text for the store. Throws INTERNAL_ERROR when it holds a secret and there is no sealer.
std::string to_stored(const json::Object& data, const Sealer* sealer);
// The reverse. Without a sealer, what is sealed stays so.
json::Object from_stored(const std::string& text, const Sealer* sealer);
// For people: every secret, sealed or not, is [redacted].
json::Value shown(const json::Value& value);

}  // namespace payload
}  // namespace slipway::durable
