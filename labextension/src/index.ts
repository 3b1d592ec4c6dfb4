import { badgesPlugin } from './plugins/badges';
import { commandsPlugin } from './plugins/commands';
import { connectionsPlugin } from './plugins/connections';
import { conversionPlugin } from './plugins/conversion';
import { dagPlugin } from './plugins/dag';

export { IFlowConnection, IFlowConnections } from './tokens';

export default [
  connectionsPlugin,
  badgesPlugin,
  dagPlugin,
  commandsPlugin,
  conversionPlugin
];
