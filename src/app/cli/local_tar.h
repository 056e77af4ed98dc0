#pragma once
// This machine's tar at one end of a pipe: how folders are packed and unpacked for `cp -r`.

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace slipway::app::cli {

class LocalTar {
 public:
  static LocalTar pack(const std::filesystem::path& folder);    // read the archive from `pipe`
  static LocalTar unpack(const std::filesystem::path& folder);  // write it to `pipe`; makes the folder if missing
  LocalTar(LocalTar&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pipe_(std::move(other.pipe_)) {}
  LocalTar& operator=(LocalTar&&) = delete;
  ~LocalTar();  // an unfinished tar is ended

  int pipe() const { return pipe_.get(); }
  // Closes the pipe, waits, and throws COPY_FAILED unless tar was content.
  void finish();

 private:
  LocalTar(std::vector<std::string> arguments, int child_end);
  int wait();

  pid_t pid_ = -1;
  base::UniqueFd pipe_;
};

}  // namespace slipway::app::cli
