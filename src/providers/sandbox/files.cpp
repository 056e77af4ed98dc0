#include "providers/sandbox/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/error.h"

namespace slipway::providers::sandbox {
namespace {

void write_all(int fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const auto written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw base::system_error("write " + path.string(), errno);
    text.remove_prefix(std::size_t(written));
  }
}

void sync(int fd, const std::filesystem::path& path) {
  if (::fsync(fd) != 0) throw base::system_error("sync " + path.string(), errno);
}

std::string read_from(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t got = 0; (got = ::read(fd, buffer.data(), buffer.size())) != 0;) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    text.append(buffer.data(), std::size_t(got));
  }
  return text;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? read_from(fd.get()) : std::string();
}

std::string read_tail(const std::filesystem::path& path, std::size_t limit) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const auto size = ::lseek(fd.get(), 0, SEEK_END);
  ::lseek(fd.get(), size > off_t(limit) ? size - off_t(limit) : 0, SEEK_SET);
  return read_from(fd.get());
}

void write_atomically(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  {
    const auto fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    write_all(fd.get(), text, temporary);
    sync(fd.get(), temporary);
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw base::system_error("rename " + temporary.string(), errno);
  sync(open_file(path.parent_path(), O_RDONLY | O_DIRECTORY).get(), path.parent_path());
}

int write_control(const std::filesystem::path& path, std::string_view text) noexcept {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return errno;
  return ::write(fd.get(), text.data(), text.size()) == ssize_t(text.size()) ? 0 : errno;
}

base::UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  base::UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw base::system_error("open " + path.string(), errno);
  return fd;
}

base::UniqueFd memory_file(const char* label, std::string_view content) {
  base::UniqueFd fd(::memfd_create(label, MFD_CLOEXEC));
  if (!fd) throw base::system_error("make a file in memory", errno);
  write_all(fd.get(), content, label);
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

void remove_tree(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  constexpr int kTriesMax = 10;  // each time another process that removes the same tree was faster with some entry
  std::error_code error;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    error.clear();
    fs::remove_all(path, error);
    if (!error) return;
    if (error == std::errc::no_such_file_or_directory) continue;
    // Not empty or not permitted: open every folder for its owner (a cache of modules is often read-only), then again.
    std::error_code ignored;
    ::chmod(path.c_str(), 0700);
    fs::recursive_directory_iterator walk(path, fs::directory_options::none, ignored), end;
    while (!ignored && walk != end) {
      if (walk->is_directory(ignored) && !walk->is_symlink(ignored)) ::chmod(walk->path().c_str(), 0700);
      walk.increment(ignored);
    }
  }
  throw base::system_error("remove " + path.string(), error.value());
}

}  // namespace slipway::providers::sandbox
