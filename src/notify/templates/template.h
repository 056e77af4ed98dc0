#pragma once
// The texts of mails, compiled into the program, and how they are filled in.

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "net/static_files.h"

namespace slipway::notify::templates {

std::span<const net::StaticFile> files();

// What stands for {{name}}.
using Values = std::map<std::string_view, std::string>;
// The file with each {{name}} replaced, in one pass: what a value holds is not looked at again. Values go in as they
// are.
std::string fill(std::string_view file, const Values& values);

// Text as HTML, also within quotes: & < > " ' as entities.
std::string escape_html(std::string_view text);
Values escape_html(const Values& values);
// Names are shown on one line, whatever was in them.
std::string one_line(std::string_view text);

}  // namespace slipway::notify::templates
