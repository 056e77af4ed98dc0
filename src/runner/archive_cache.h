#pragma once
// Archives of templates that this machine keeps by their hash, so that the jobs of one template fetch it once.
//
// Its folder is the truth. A file there bears the SHA-256 of its content as its name, which it gets when it is whole
// and on the disk: a daemon may be killed at any moment, and the next one takes away what was half fetched. The content
// is hashed whenever it is handed out: what is damaged, or what a build has changed, is thrown away and fetched again.
//
// A job gets a link of its own, so that nothing is taken from under it, whatever makes room. When a new archive comes,
// those that were used least recently go until all of them are within `bytes_max`.
//
// For the loop's thread only.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/executor.h"
#include "observe/log.h"
#include "runner/daemon_metrics.h"
#include "runner/hub_link.h"
#include "runner/loop_timer.h"

namespace slipway::runner {

// Some thousand usual templates, or four of the greatest.
constexpr std::uint64_t kArchiveBytesMax = 256ULL << 20;

struct ArchiveCacheOptions {
  std::string folder;                          // for it alone; made with mode 0700
  std::uint64_t bytes_max = kArchiveBytesMax;  // 0: none is kept
};

class ArchiveCache {
 public:
  // Blocks. All must outlive it; `metrics` may be null.
  ArchiveCache(base::EventLoop& loop, base::Workers& workers, HubLink& hub, ArchiveCacheOptions options,
               observe::Logger logger, observe::Registry* metrics);

  // As HubLink::get_blob. Of those who ask for one archive while it is on its way, all get that one. Where it cannot be
  // kept, as on a full disk, it is fetched into `file`, and what is kept makes room.
  void get(const std::string& hash, const std::string& file, Reply<void> reply);

 private:
  struct Wish {
    std::string file;
    Reply<void> reply;
  };
  enum class Taken { yes, missing, damaged };
  static Taken take(const std::string& kept, const std::string& hash, const std::string& file);

  std::string kept(const std::string& hash) const { return options_.folder + "/" + hash; }
  void note_damage(const std::string& hash) const;
  void fetch(const std::string& hash, Wish wish);
  void keep(const std::string& hash);
  void hand_out(const std::string& hash);
  void make_room(const std::string& hash, const base::Error& why);
  void fetch_past(const std::string& hash, Wish wish);
  std::vector<Wish> wishes_for(const std::string& hash);

  base::EventLoop& loop_;
  base::Workers& workers_;
  HubLink& hub_;
  const ArchiveCacheOptions options_;
  const observe::Logger logger_;
  DaemonMetrics metrics_;
  std::map<std::string, std::vector<Wish>> coming_;  // by hash: those who wait for what is on its way
  Lifeline lifeline_;
};

}  // namespace slipway::runner
