#pragma once
// The pattern of a template's parameter: a regular expression of RE2's syntax, which a value fits as a whole. It is
// matched in time and memory that grow with the pattern and the value alone, whoever wrote either, so that it may be
// done within a transaction. That is why it can neither refer back to a group nor look ahead or behind.

#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace slipway::fleet {

class ParameterPattern {
 public:
  // Throws INVALID_PATTERN (user), whose message says what is wrong with it.
  explicit ParameterPattern(std::string_view pattern);
  ~ParameterPattern();
  bool fits(std::string_view value) const;

 private:
  std::unique_ptr<const re2::RE2> compiled_;
};

}  // namespace slipway::fleet
