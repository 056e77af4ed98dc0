#pragma once
// The two sides of `slipway cp`: what they name, and where the copy goes. No I/O.

#include <optional>
#include <string>
#include <string_view>

namespace slipway::app::cli {

// One side as written: NAME:PATH (no '/' before the ':', as with scp), a local path, or "-" for stdin or stdout.
struct CopyPath {
  std::optional<std::string> workspace;
  std::string path;
  bool is_standard() const { return !workspace && path == "-"; }
};
CopyPath parse_copy_path(std::string_view text);

// The last part of a path: "b" of "a/b", "a/b/" and "/a/b/."; empty for "/", ".." and what names only the home.
std::string base_name(std::string_view path);

// The remote target of an upload: a path that is empty or ends in '/' names the folder to put `source_name` in.
std::string upload_target(const std::string& path, const std::string& source_name);
// `folder`/`name`, for a target that turned out to be a folder.
std::string inside(const std::string& folder, const std::string& name);

}  // namespace slipway::app::cli
