#pragma once
// The texts of mails, compiled into the program.

#include <span>

#include "net/static_files.h"

namespace slipway::notify::templates {

std::span<const net::StaticFile> files();

}  // namespace slipway::notify::templates
