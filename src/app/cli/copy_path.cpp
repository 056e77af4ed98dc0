#include "app/cli/copy_path.h"

namespace slipway::app::cli {

CopyPath parse_copy_path(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || text.substr(0, colon).contains('/'))
    return {std::nullopt, std::string(text)};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::string base_name(std::string_view path) {
  while (path.ends_with("/") || path.ends_with("/.")) path.remove_suffix(1);
  const auto slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (name == "." || name == ".." || name == "~") return {};
  return std::string(name);
}

std::string inside(const std::string& folder, const std::string& name) {
  if (folder.empty() || folder.ends_with('/')) return folder + name;
  return folder + "/" + name;
}

std::string upload_target(const std::string& path, const std::string& source_name) {
  return path.empty() || path.ends_with('/') ? inside(path, source_name) : path;
}

}  // namespace slipway::app::cli
