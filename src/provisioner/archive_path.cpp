#include "provisioner/archive_path.h"

#include <algorithm>

namespace slipway::provisioner {
namespace {

constexpr std::size_t kPathMax = 1024;  // leaves room for the session's own folder within the system's 4096
constexpr std::size_t kNameMax = 255;   // of the file systems

// For a message: what could mislead a reader is shown as '?'.
std::string shown(std::string_view name) {
  std::string text(name.substr(0, 200));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

bool has_control_character(std::string_view name) {
  return std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

}  // namespace

base::Error unsafe_archive(std::string_view entry, std::string reason) {
  return base::Error(base::ErrorClass::user, "ARCHIVE_UNSAFE", "'" + shown(entry) + "' " + std::move(reason));
}

base::Error archive_too_large(std::string reason) {
  return base::Error(base::ErrorClass::user, "ARCHIVE_TOO_LARGE", "the archive " + std::move(reason));
}

std::string normal_path(std::string_view name, const ArchiveLimits& limits) {
  if (name.starts_with('/')) throw unsafe_archive(name, "has an absolute name");
  if (has_control_character(name)) throw unsafe_archive(name, "has a control character in its name");
  std::string path;
  std::int64_t depth = 0;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const auto part = name.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") throw unsafe_archive(name, "would leave the template's folder");
    if (part.size() > kNameMax) throw unsafe_archive(name, "has a part that is too long for a file's name");
    if (++depth > limits.depth) throw unsafe_archive(name, "is too many folders deep");
    if (!path.empty()) path += '/';
    path += part;
  }
  if (path.size() > kPathMax) throw unsafe_archive(name, "has too long a name");
  return path;
}

void check_link(std::string_view path, std::string_view target) {
  if (target.empty()) throw unsafe_archive(path, "is a link to nothing");
  if (target.starts_with('/')) throw unsafe_archive(path, "is a link to an absolute path");
  if (has_control_character(target)) throw unsafe_archive(path, "is a link with a control character in it");
  if (target.size() > kPathMax) throw unsafe_archive(path, "is a link with too long a target");
  auto above = std::ranges::count(path, '/');
  bool down = false;
  for (std::size_t begin = 0; begin <= target.size();) {
    const std::size_t end = std::min(target.find('/', begin), target.size());
    const auto part = target.substr(begin, end - begin);
    begin = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      down = true;
    } else if (down || above-- == 0) {
      throw unsafe_archive(path, "is a link that could lead out of the template's folder");
    }
  }
}

void Entries::count_one() {
  if (++entries_ > limits_.entries)
    throw archive_too_large("has more than " + std::to_string(limits_.entries) + " entries");
}

void Entries::set(const std::string& path, EntryKind kind, std::string_view cause) {
  const auto [found, is_new] = kinds_.emplace(path, kind);
  if (is_new) return count_one();
  if (found->second == kind) return;
  throw unsafe_archive(cause, "makes something else of '" + path + "' than an earlier entry");
}

void Entries::add(const std::string& path, EntryKind kind) {
  for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1))
    set(path.substr(0, slash), EntryKind::directory, path);
  if (kinds_.contains(path)) count_one();  // the same again: every entry counts
  set(path, kind, path);
}

bool Entries::has_file(const std::string& path) const {
  const auto found = kinds_.find(path);
  return found != kinds_.end() && found->second == EntryKind::file;
}

void Entries::add_bytes(std::int64_t count) {
  if (count > limits_.bytes - bytes_)
    throw archive_too_large("has more than " + std::to_string(limits_.bytes >> 20) + " MiB of files");
  bytes_ += count;
}

}  // namespace slipway::provisioner
