#pragma once
// What tells an older state of Terraform's from a newer one.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::fleet {

// Both or neither: of bytes that are no state of Terraform's there is nothing.
struct TerraformStamp {
  std::optional<std::int64_t> serial;
  std::optional<std::string> lineage;
};

// Looks at the members of the outermost object alone: what is below may be as deep and as large as it likes.
TerraformStamp stamp_of(std::string_view state);

}  // namespace slipway::fleet
