#include "juxmem/wire/message.h"

namespace juxmem::wire {

JUXMEM_ONE_OF_MEMBERS(Action);
JUXMEM_ONE_OF_MEMBERS(StreamMessage);
JUXMEM_ONE_OF_MEMBERS(GroupMessage);
JUXMEM_ONE_OF_MEMBERS(ClientRequestBody);
JUXMEM_ONE_OF_MEMBERS(ClientMessage);
JUXMEM_ONE_OF_MEMBERS(Message);

}  // namespace juxmem::wire
