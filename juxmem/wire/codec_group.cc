#include "juxmem/wire/codec_pack.h"
#include "juxmem/wire/codec_unpack.h"

namespace juxmem::wire::codec {

Packed<juxmem::fbs::AnyMessage> pack_message(Packer& packer, const GroupMessage& message) {
  return pack_family(packer, message);
}

bool unpack_message(Unpacker& u, juxmem::fbs::AnyMessage type, const void* body, GroupMessage& out) {
  return unpack_union(u, type, body, out);
}

}  // namespace juxmem::wire::codec
