"""What a person reads and hears on the page, in both languages. Written from what it should say, not read from it."""

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True)
class Words:
    """Braces stand for what changes: a name, a text."""

    log_in: str
    log_out: str
    demo: str
    username: str
    password: str
    register: str
    register_instead: str
    conversations: str
    new_conversation: str
    no_conversations: str
    chat_with: str
    write_to: str
    messages_with: str
    send: str
    one_unread: str
    you_said: str
    nobody: str
    online: str
    offline: str
    last_seen: str
    typing: str
    sent: str
    delivered: str
    read: str
    waiting: str
    refused: str
    reply: str
    edit: str
    delete: str
    save_hint: str
    edited: str
    deleted: str
    details: str
    accepted: str
    retry: str
    discard: str
    lost: str
    again: str
    close: str
    cancel: str
    keyboard: str
    back: str


EN: Final = Words(
    log_in="Log in",
    log_out="Log out",
    demo="Log in as {}",
    username="User name",
    password="Password",
    register="Create an account",
    register_instead="New here? Create an account",
    conversations="Conversations",
    new_conversation="New conversation",
    no_conversations="No conversations yet",
    chat_with="Chat with {}",
    write_to="Write to {}",
    messages_with="Messages with {}",
    send="Send",
    one_unread="1 unread message",
    you_said="You: {}",
    nobody="Nobody of exactly this name",
    online="online",
    offline="offline",
    last_seen="last seen",
    typing="{} is writing …",
    sent="sent",
    delivered="delivered",
    read="read",
    waiting="waiting to be sent",
    refused="not sent",
    reply="Reply",
    edit="Edit",
    delete="Delete",
    save_hint="Editing your message",
    edited="edited",
    deleted="This message was deleted",
    details="Where is my message?",
    accepted="accepted",
    retry="Try again",
    discard="Discard",
    lost="No connection. What you write is kept and sent later.",
    again="Your session has ended. Log in again to go on; nothing is lost.",
    close="Close",
    cancel="Cancel",
    keyboard="Keyboard",
    back="Back to conversations",
)

PT: Final = Words(
    log_in="Entrar",
    log_out="Sair",
    demo="Entrar como {}",
    username="Nome de usuário",
    password="Senha",
    register="Criar conta",
    register_instead="Novo por aqui? Crie uma conta",
    conversations="Conversas",
    new_conversation="Nova conversa",
    no_conversations="Nenhuma conversa ainda",
    chat_with="Conversar com {}",
    write_to="Escrever para {}",
    messages_with="Mensagens com {}",
    send="Enviar",
    one_unread="1 mensagem não lida",
    you_said="Você: {}",
    nobody="Ninguém com exatamente esse nome",
    online="online",
    offline="offline",
    last_seen="visto por último",
    typing="{} está escrevendo …",
    sent="enviada",
    delivered="entregue",
    read="lida",
    waiting="esperando para ser enviada",
    refused="não enviada",
    reply="Responder",
    edit="Editar",
    delete="Apagar",
    save_hint="Editando sua mensagem",
    edited="editada",
    deleted="Esta mensagem foi apagada",
    details="Onde está minha mensagem?",
    accepted="aceita",
    retry="Tentar de novo",
    discard="Descartar",
    lost="Sem conexão. O que você escrever fica guardado e é enviado depois.",
    again="Sua sessão terminou. Entre de novo para continuar; nada se perde.",
    close="Fechar",
    cancel="Cancelar",
    keyboard="Teclado",
    back="Voltar às conversas",
)


def of(locale: str) -> Words:
    """Those of a browser with this language."""
    return PT if locale.lower().startswith("pt") else EN
