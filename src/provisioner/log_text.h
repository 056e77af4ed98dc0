#pragma once
// What programs print, as lines that can be stored and shown.

#include <string>
#include <string_view>
#include <vector>

namespace slipway::provisioner {

// Valid UTF-8 without control characters but tab and escape (colours): what is not becomes U+FFFD. A carriage return at
// the end goes.
std::string clean_line(std::string_view line);
// What is no UTF-8 becomes U+FFFD; all else stays.
std::string valid_utf8(std::string text);
// At its line breaks, each cleaned; a last empty one is none.
std::vector<std::string> clean_lines(std::string_view text);

}  // namespace slipway::provisioner
