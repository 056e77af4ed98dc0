#include "fleet/parameter_pattern.h"

#include <re2/re2.h>

#include "base/error.h"

namespace slipway::fleet {
namespace {

// Bytes of the compiled program: what a text takes at worst is its length times this. Repetitions of repetitions reach
// it, and what people write for a form's field does not come near.
constexpr std::int64_t kProgramMax = 1024 * 1024;

re2::RE2::Options options() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kProgramMax);
  return options;
}

}  // namespace

ParameterPattern::ParameterPattern(std::string_view pattern)
    : compiled_(std::make_unique<re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options())) {
  if (!compiled_->ok()) throw base::Error(base::ErrorClass::user, "INVALID_PATTERN", compiled_->error());
}

ParameterPattern::~ParameterPattern() = default;

bool ParameterPattern::fits(std::string_view value) const {
  return re2::RE2::FullMatch(re2::StringPiece(value.data(), value.size()), *compiled_);
}

}  // namespace slipway::fleet
