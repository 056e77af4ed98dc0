#pragma once
// Where values of JSON end, told by quotes and brackets alone: for text that is handed on and not read. As deep and as
// large as it likes, beyond what base/json.h takes of a request; what stands between the brackets is not checked.

#include <string_view>

namespace slipway::json {

inline constexpr std::string_view kBlanks = " \t\r\n";

// Past the string, array or object that begins at `at`; npos where none begins, and where it does not end.
std::size_t end_of_value(std::string_view text, std::size_t at = 0);

}  // namespace slipway::json
