#include "provisioner/terraform/session_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/unique_fd.h"

namespace slipway::provisioner::terraform {

void make_private_folder(const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder);
  if (::mkdir(folder.c_str(), 0700) != 0) throw base::system_error("make the folder " + folder.string(), errno);
}

void write_private_file(const std::filesystem::path& file, std::string_view text) {
  const std::string temporary = file.string() + ".new";
  ::unlink(temporary.c_str());
  {
    const base::UniqueFd fd(::open(temporary.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (!fd) throw base::system_error("write " + file.string(), errno);
    while (!text.empty()) {
      const auto written = ::write(fd.get(), text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw base::system_error("write " + file.string(), errno);
      text.remove_prefix(std::size_t(written));
    }
  }
  if (::rename(temporary.c_str(), file.c_str()) != 0) throw base::system_error("write " + file.string(), errno);
}

std::string read_whole_file(const std::filesystem::path& file) {
  const base::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return {};
  if (!fd) throw base::system_error("read " + file.string(), errno);
  std::string text;
  std::array<char, 64 << 10> block;
  while (true) {
    const auto got = ::read(fd.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw base::system_error("read " + file.string(), errno);
    if (got == 0) return text;
    text.append(block.data(), std::size_t(got));
  }
}

}  // namespace slipway::provisioner::terraform
