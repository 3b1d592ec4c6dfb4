import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import {
  cellNumbers,
  type Conversion,
  type Finding,
  type Offer,
  placesText,
  placeText,
  type Row,
  type Sentences,
  type Verification
} from './models/conversion';
import { codePieces } from './models/states';

type Content = string | Node;

/** What is said of a conversion: the result of the proof, the steps, what a reader should know, the values compared. */
export class ConversionReport extends Widget {
  constructor(conversion: Conversion, trans: TranslationBundle) {
    super();
    this.addClass('flownb-report');
    this._trans = trans;
    const { findings, offers, verification } = conversion;
    const errors = findings.filter(finding => finding.kind === 'refused');
    const others = findings.filter(finding => finding.kind !== 'refused');
    this.node.append(
      ...(verification ? [this._summary(verification)] : []),
      ...this._findings(trans.__('Errors'), errors),
      ...this._steps(conversion),
      ...this._findings(trans.__('What to know'), others),
      ...this._offers(offers),
      ...(verification ? this._rows(verification) : [])
    );
  }

  private _summary({ summary, verified }: Verification): HTMLElement {
    const name = verified ? 'flownb-mod-good' : 'flownb-mod-bad';
    return element('p', [summary], `flownb-report-summary ${name}`);
  }

  private _steps(conversion: Conversion): HTMLElement[] {
    const trans = this._trans;
    const { steps, shared, scratch, parameters, requirements } = conversion;
    if (!steps.length) {
      return [];
    }
    const rest: [string, string][] = [
      [trans.__('Shared:'), placesText(shared)],
      [trans.__('Scratch, not in the flow:'), placesText(scratch)],
      [trans.__('Parameters:'), parameters.map(({ name }) => name).join(', ')],
      [trans.__('Requirements:'), requirements.join(', ')]
    ];
    return [
      element('h2', [
        trans._n('%2: %1 step', '%2: %1 steps', steps.length, conversion.flow)
      ]),
      table(
        [trans.__('Step'), trans.__('Cells'), trans.__('Captures')],
        steps.map(step => [
          step.name,
          cellNumbers(step.cells),
          step.captures.join(', ')
        ])
      ),
      ...rest
        .filter(([_, text]) => text)
        .map(([label, text]) => element('p', [`${label} ${text}`]))
    ];
  }

  private _findings(
    title: string,
    findings: readonly Finding[]
  ): HTMLElement[] {
    if (!findings.length) {
      return [];
    }
    const items = findings.map(finding => {
      const where = placesText(finding.places);
      const head = [this._kind(finding.kind), where].filter(one => one);
      return element('li', [
        element('div', [head.join(' · ')], 'flownb-report-place'),
        ...sentences(finding)
      ]);
    });
    return [element('h2', [title]), element('ul', items)];
  }

  /** How a kind of finding is introduced. */
  private _kind(kind: string): string {
    switch (kind) {
      case 'hidden':
        return this._trans.__('hidden state');
      case 'unstorable':
        return this._trans.__('cannot be stored');
      case 'unverifiable':
        return this._trans.__('cannot be verified');
      case 'left_out':
        return this._trans.__('not in the flow');
      default:
        return '';
    }
  }

  private _offers(offers: readonly Offer[]): HTMLElement[] {
    if (!offers.length) {
      return [];
    }
    const items = offers.map(offer =>
      element('li', [
        element(
          'div',
          [`${offer.step} · ${placeText(offer.place)}`],
          'flownb-report-place'
        ),
        element('p', coded(offer.text)),
        ...offer.cells.map(cell => element('pre', [cell]))
      ])
    );
    return [element('h2', [this._trans.__('Offers')]), element('ul', items)];
  }

  private _rows({ rows, notes }: Verification): HTMLElement[] {
    const trans = this._trans;
    const noted = notes.map(note =>
      element('p', [trans.__('Note: '), ...coded(note)])
    );
    if (!rows.length) {
      return noted;
    }
    return [
      element('h2', [trans.__('Compared with the notebook')]),
      table(
        [
          trans.__('Step'),
          trans.__('Value'),
          trans.__('Type'),
          trans.__('Result')
        ],
        rows.map(row => [
          row.step,
          row.name,
          `${row.type} ${row.shape}`.trim(),
          verdict(row)
        ])
      ),
      ...noted
    ];
  }

  private _trans: TranslationBundle;
}

/** What happened, why, and what to do, each on a line of its own. */
export class SentencesWidget extends Widget {
  constructor(said: Sentences) {
    super();
    this.addClass('flownb-report');
    this.node.append(...sentences(said));
  }
}

function sentences({ what, why, fix }: Sentences): HTMLElement[] {
  return [
    element('p', coded(what), 'flownb-report-what'),
    ...[why, fix].filter(text => text).map(text => element('p', coded(text)))
  ];
}

function verdict(row: Row): HTMLElement {
  const isGood = row.verdict === 'equal';
  const isBad = row.verdict === 'differs' || row.verdict === 'failed';
  const word = element(
    'span',
    [row.verdict],
    isGood ? 'flownb-mod-good' : isBad ? 'flownb-mod-bad' : ''
  );
  return element('span', row.detail ? [word, `: ${row.detail}`] : [word]);
}

function table(
  head: readonly string[],
  rows: readonly (readonly Content[])[]
): HTMLElement {
  const line = (name: 'th' | 'td', cells: readonly Content[]): HTMLElement =>
    element(
      'tr',
      cells.map(cell => element(name, [cell]))
    );
  return element('table', [
    element('thead', [line('th', head)]),
    element(
      'tbody',
      rows.map(cells => line('td', cells))
    )
  ]);
}

/** A text whose pieces between backticks are code. */
function coded(text: string): Content[] {
  return codePieces(text).map(([piece, isCode]) =>
    isCode ? element('code', [piece]) : piece
  );
}

function element(
  name: keyof HTMLElementTagNameMap,
  content: readonly Content[],
  className = ''
): HTMLElement {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
}
