#pragma once
// The version of the program, as `slipway version` and the hub's answers tell it. Equals the project's in
// CMakeLists.txt.

#include <string_view>

namespace slipway::app {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace slipway::app
