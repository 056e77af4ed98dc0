#pragma once
// A text that must not be shown: it does not print, does not log, and is wiped when it goes.

#include <string>
#include <string_view>

namespace slipway::base {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&&) noexcept = default;
  Secret& operator=(const Secret&) = default;
  Secret& operator=(Secret&&) noexcept = default;
  ~Secret();

  // The one way to the text; a reader can search for its callers.
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

inline constexpr std::string_view kRedacted = "*redacted*";

}  // namespace slipway::base
