import { Kernel, KernelMessage } from '@jupyterlab/services';

/**
 * Talk to a kernel on a shell of its own, where it answers while a cell runs.
 *
 * JupyterLab makes subshells only when it knows that the kernel has them, for which a page that was reloaded waits
 * until the cell has ended. Here the kernel is asked at once, on its control channel. One that has none is talked to on
 * its main shell: `talk` is given null.
 */
export async function onSubshell(
  kernel: Kernel.IKernelConnection,
  talk: (subshell: string | null) => Promise<void>
): Promise<void> {
  const subshell = await createSubshell(kernel);
  try {
    await talk(subshell);
  } finally {
    if (subshell !== null && !kernel.isDisposed && kernel.status !== 'dead') {
      kernel.sendControlMessage(
        KernelMessage.createMessage<KernelMessage.IDeleteSubshellRequestMsg>({
          msgType: 'delete_subshell_request',
          channel: 'control',
          username: kernel.username,
          session: kernel.clientId,
          content: { subshell_id: subshell }
        }),
        true
      );
    }
  }
}

/** Make a subshell and give its id, or null when the kernel turns out to have none. */
async function createSubshell(
  kernel: Kernel.IKernelConnection
): Promise<string | null> {
  if ((await isKnown(kernel)) && !kernel.supportsSubshells) {
    return null;
  }
  const future = kernel.sendControlMessage(
    KernelMessage.createMessage<KernelMessage.ICreateSubshellRequestMsg>({
      msgType: 'create_subshell_request',
      channel: 'control',
      username: kernel.username,
      session: kernel.clientId,
      content: {}
    }),
    true
  );
  // A kernel that knows no subshells does not answer at all.
  const none = kernel.info.then(() =>
    kernel.supportsSubshells ? future.done : null
  );
  const reply = await Promise.race([future.done, none]);
  const made = reply as KernelMessage.ICreateSubshellReplyMsg | null;
  return made?.content.subshell_id ?? null;
}

/** Whether the kernel has said already what it can do. */
async function isKnown(kernel: Kernel.IKernelConnection): Promise<boolean> {
  return Promise.race([
    kernel.info.then(() => true),
    new Promise<boolean>(resolve => window.setTimeout(() => resolve(false)))
  ]);
}
