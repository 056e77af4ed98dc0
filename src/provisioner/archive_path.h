#pragma once
// Which names an archive may use, and for what: the judgement of archive.h, without any file.

#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "provisioner/archive.h"

namespace slipway::provisioner {

enum class EntryKind { file, directory, link };

base::Error unsafe_archive(std::string_view entry, std::string reason);
base::Error archive_too_large(std::string reason);

// The name without './', doubled and trailing slashes; empty: the top itself. Throws ARCHIVE_UNSAFE for one that is
// absolute, has '..' or control characters, or is deeper or longer than is allowed.
std::string normal_path(std::string_view name, const ArchiveLimits& limits);

// Where a link may point: relative, with any '..' only at its beginning and no more of them than it has folders above
// it. Then no chain of such links leads out: going up starts in a real folder, and going down only meets links like it.
void check_link(std::string_view path, std::string_view target);

// What an archive has made so far.
class Entries {
 public:
  explicit Entries(const ArchiveLimits& limits) : limits_(limits) {}
  // Also its parents, as directories. Throws ARCHIVE_UNSAFE where something else has that name, ARCHIVE_TOO_LARGE.
  void add(const std::string& path, EntryKind kind);
  bool has_file(const std::string& path) const;
  void add_bytes(std::int64_t count);

 private:
  void set(const std::string& path, EntryKind kind, std::string_view cause);
  void count_one();

  const ArchiveLimits limits_;
  std::map<std::string, EntryKind, std::less<>> kinds_;
  std::int64_t entries_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace slipway::provisioner
