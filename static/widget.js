"use strict";(()=>{function He(e){let o="",t="",n=[],r=i=>{if(!i){n.length&&e(t||"message",n.join(`
`)),t="",n=[];return}let l=i.indexOf(":"),a=l<0?i:i.slice(0,l),f=l<0?"":i.slice(l+1).replace(/^ /,"");a==="event"&&(t=f),a==="data"&&n.push(f)};return i=>{o+=i;for(let l;l=/\r\n|\n|\r(?!$)/.exec(o);)r(o.slice(0,l.index)),o=o.slice(l.index+l[0].length)}}var z=(async()=>{})().constructor,rt=Function.prototype.toString,oe=(e,o)=>typeof e=="function"&&e.name===o&&/\{\s*\[native code\]\s*\}\s*$/.test(rt.call(e));function Pe(e){let{fetch:o,JSON:t}=window;if(oe(o,"fetch")&&oe(t.parse,"parse")&&oe(t.stringify,"stringify"))return{fetch:o.bind(window),JSON:t};let n=document.createElement("iframe");n.hidden=!0,n.title="",e.appendChild(n);let r=()=>n.contentWindow??window;return{fetch:(i,l)=>r().fetch(i,l),get JSON(){return r().JSON}}}var d={launch:"Ask us",panel:e=>`Chat with ${e}`,subtitle:"Answers from our documents, with sources",close:"Close chat",startOver:"Start over",startedOver:"New conversation.",undo:"Undo",conversation:"Conversation",ask:"Ask a question",send:"Send",stop:"Stop",used:(e,o)=>`${e} of ${o} characters`,tooLong:(e,o)=>`${e} of ${o} characters. Shorten the question to send it.`,loading:"Loading the conversation",searching:"Searching our documents",writing:"Writing the answer",sources:"Sources",source:(e,o)=>`Source ${e}: ${o}`,page:e=>`p. ${e}`,pageLong:e=>`Page ${e}`,back:"Back to the answer",nothing:"The bot did not write an answer.",counted:e=>e===1?"1 source.":`${e} sources.`,answeredBy:e=>`Answered by ${e}`,rephrase:"Ask it differently",stopped:"Stopped. This answer is not complete.",interrupted:"The answer was cut off before it was complete.",lost:"The connection was lost. Check your network, then retry.",offline:"You are offline. Retry when you are back online.",unsent:"This question was not sent.",failed:"The answer could not be fetched. Retry in a moment.",noHistory:"The earlier conversation could not be loaded.",retry:"Retry",retryIn:e=>`Retry in ${e}`,seconds:e=>`${e} s`,minutes:e=>`${e} min`,foot:"Can be wrong. Check the source."},U={badBot:e=>`BITB: data-bot="${e}" is not a bot's id, so the chat is not shown. Copy the snippet from the Bot page again.`,unknown:e=>`BITB: there is no bot with the id ${e}, so the chat is not shown. Copy the snippet from the Bot page again.`,origin:e=>`BITB: ${e} is not on this bot's list of allowed sites, so the chat is not shown. Add it on the Bot page, under "Allowed sites".`,unreachable:e=>`BITB: ${e} could not be reached, so the chat is not shown. If this page has a Content-Security-Policy, add ${e} to its connect-src.`};var S=class extends Error{constructor(t,n,r=0,i=0){super(n);this.code=t;this.status=r;this.retryAfter=i}},it=8e3,st=45e3,at=2e3,lt=90,ct=6,L=e=>Object.assign(Object.create(null),e),E=e=>typeof e=="string"?e:"",ie=e=>Array.isArray(e)?e:[],dt=e=>new z(o=>setTimeout(o,e));function G(){let e=crypto.getRandomValues(new Uint8Array(16));for(let t=5,n=Date.now();t>=0;t--,n=Math.floor(n/256))e[t]=n%256;e[6]=e[6]&15|112,e[8]=e[8]&63|128;let o="";for(let t=0;t<16;t++)o+=(e[t]+256).toString(16).slice(1)+(t===3||t===5||t===7||t===9?"-":"");return o}function Re(e,o,t,n){let r=`${e}/widget/v1/bots/${o}`,i=null,l=g=>{let p=n().JSON.parse(g,(w,k)=>k&&typeof k=="object"&&!Array.isArray(k)?L(k):k);return p&&typeof p=="object"?p:L({})};async function a(g,p){let w;try{w=await n().fetch(r+g,L({mode:"cors",credentials:"omit",...p}))}catch{throw navigator.onLine===!1?new S("offline",d.offline):new S("lost",d.lost)}if(w.ok)return w;let k=L({});try{k=l(await w.text())}catch{}throw qe(k,w.status,Number(w.headers.get("Retry-After")))}async function f(){let g=t.get("token");return g||(i??=a("/visitors",L({method:"POST"})).then(async p=>{let w=E(l(await p.text()).token);return t.set("token",w),w}).finally(()=>i=null),i)}async function h(g,p){for(let w=!1;;w=!0){let k=L({...p.headers,Authorization:`Bearer ${await f()}`});try{return await a(g,L({...p,headers:k}))}catch(v){if(w||!(v instanceof S)||v.status!==401)throw v;t.set("token",null)}}}async function A(){if(!t.get("token"))return[];let g=l(await(await h("/messages",L({}))).text());return ie(g.messages).map(re)}async function y(g,p,w){for(let k=Date.now()+w*1e3;!p.aborted&&Date.now()<k;await dt(at))try{let v=(await A()).find(O=>O.role==="bot"&&O.replyTo===g);if(v)return v}catch{}return null}async function D(g,p,w){if(/^application\/json/.test(g.headers.get("Content-Type")??""))return re(l(await g.text()));if(!g.body)return null;let k="",v=null,O=He((M,B)=>{let P=l(B);if(M==="status"&&p.stage(E(P.stage)),M==="delta"&&p.text(k+=E(P.text)),M==="done"&&(v=re(P)),M==="error")throw qe(P,0,0)}),T=g.body.getReader(),$=new TextDecoder,I=0;try{for(;;){clearTimeout(I),I=window.setTimeout(()=>T.cancel().catch(()=>{}),st);let M=await T.read();if(M.done||v||(w(),O($.decode(M.value,L({stream:!0}))),v))return v}}catch(M){if(M instanceof S)throw M;return null}finally{clearTimeout(I),T.cancel().catch(()=>{})}}function b(g,p,w,k){return new z((v,O)=>{let T=new AbortController,$=C=>{clearTimeout(M),T.abort(),C()},I=C=>y(g,T.signal,C).then(F=>$(()=>F?v(F):O(new S("lost",d.lost)))),M=window.setTimeout(()=>I(lt),it),B=`{"id":"${g}","question":${n().JSON.stringify(p)}}`;k.addEventListener("abort",()=>$(()=>O(new S("stopped",d.stopped))));let P=L({"Content-Type":"application/json",Accept:"text/event-stream"});h("/messages",L({method:"POST",headers:P,body:B,signal:T.signal})).then(C=>D(C,w,()=>clearTimeout(M))).then(C=>C?$(()=>v(C)):I(ct)).catch(C=>$(()=>O(C)))})}return{history:A,ask:b,answerTo:y,config:async()=>pt(l(await(await a("",L({}))).text())),reachable:()=>n().fetch(r,L({mode:"no-cors",credentials:"omit"})).then(()=>!0,()=>!1),startOver:async()=>{await h("/conversations",L({method:"POST"}))}}}function qe(e,o,t){return new S(E(e.code)||"failed",E(e.message)||d.failed,o,Number(e.retry_after)||t||0)}function pt(e){let o=(t,n)=>/^#[0-9a-f]{6}$/i.test(E(t))?E(t):n;return{name:E(e.name),greeting:E(e.greeting),suggestions:ie(e.suggestions).map(E).filter(t=>t),brand:o(e.brand,"#0a5c6b"),onBrand:o(e.on_brand,"#ffffff"),corner:e.corner==="left"?"left":"right",model:E(e.model)}}function re(e){let o=E(e.status);return{id:E(e.id),role:e.role==="visitor"?"visitor":"bot",text:E(e.text),status:o==="fallback"||o==="interrupted"?o:"complete",sources:ie(e.sources).map(t=>L({n:Number(t.n),title:E(t.title),page:Number(t.page)||0,heading:E(t.heading),text:E(t.text)})),model:E(e.model),replyTo:E(e.reply_to)}}function u(e,o,...t){let n=document.createElement(e);return o&&(n.className=o),n.append(...t),n}function H(e,o,t,...n){let r=u("button",e,...n);return r.type="button",o&&r.setAttribute("aria-label",o),r.addEventListener("click",t),r}var ut={ask:"M21 12a9 9 0 0 1-13.2 8L3 21l1-4.8A9 9 0 1 1 21 12Z M9.4 9.6a2.7 2.7 0 0 1 5.2.9c0 1.8-2.6 2.4-2.6 3.6 M12 17v.01",close:"M18 6 6 18 M6 6l12 12",down:"m6 9 6 6 6-6",send:"M12 19V5 m-7 7 7-7 7 7",stop:"M7 7h10v10H7Z",again:"M4 4v5h5 M4.6 9A8 8 0 1 1 4 13",back:"M19 12H5 m7 7-7-7 7-7",note:"M12 8v4.5 M12 16v.01 M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z"};function R(e){let o="http://www.w3.org/2000/svg",t=document.createElementNS(o,"svg"),n=document.createElementNS(o,"path");return t.setAttribute("viewBox","0 0 24 24"),t.setAttribute("aria-hidden","true"),t.setAttribute("class",e),n.setAttribute("d",ut[e]),t.append(n),t}var ce=/^ {0,3}(`{3,}|~{3,})/,je=/^ {0,3}#{1,6}[ \t]+/,De=/^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/,de=/^ {0,3}> ?/,W=/^( *)([-*+]|\d{1,9}[.)])(?:[ \t]+|$)/,ft=/^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$/;var Ie=new WeakMap;function ze(e,o,t){let n=ue(o.replace(/\r\n?/g,`
`).replace(/\t/g,"    ").split(`
`),0),r=n.map(f=>f.kind+`
`+f.lines.join(`
`)),i=Ie.get(e),l=i&&i.opts===t&&i.blocks.length===e.childNodes.length?i.blocks:[],a=0;for(;a<l.length&&a<r.length&&l[a]===r[a];)a++;for(;e.childNodes.length>a;)e.lastChild.remove();for(let f of n.slice(a)){let h=he(f,t,0);h.dir||(h.dir="auto"),e.append(h)}Ie.set(e,{opts:t,blocks:r})}function pe(e){let o=location.hostname.replace(/^www\./,""),t=n=>n===o||n.endsWith("."+o);try{let n=new URL(e);if(n.protocol==="mailto:"){let i=/^[\w.+-]+@([\w.-]+)$/.exec(n.pathname);return i&&!n.search&&t(i[1])?n.href:null}return(n.protocol==="https:"||n.protocol==="http:")&&!n.username&&!n.password&&t(n.hostname)?n.href:null}catch{return null}}function ue(e,o){let t=[];for(let n=0;n<e.length;){if(!e[n].trim()){n++;continue}let r=o<8?fe(e,n):"text",i=ht(r,e,n);t.push({kind:r,lines:e.slice(n,i)}),n=i}return t}function fe(e,o){let t=e[o];return ce.test(t)?"fence":je.test(t)?"heading":De.test(t)?"rule":de.test(t)?"quote":W.test(t)?"list":t.includes("|")&&o+1<e.length&&e[o+1].includes("-")&&ft.test(e[o+1].trim())?"table":"text"}function ht(e,o,t){let n=t+1;switch(e){case"fence":{let r=ce.exec(o[t])[1];for(;n<o.length&&!_e(o[n],r);)n++;return Math.min(n+1,o.length)}case"quote":for(;n<o.length&&de.test(o[n]);)n++;return n;case"table":for(;n<o.length&&o[n].includes("|");)n++;return n;case"list":return mt(o,t);case"text":for(;n<o.length&&o[n].trim()&&!gt(o,n);)n++;return n}return n}function _e(e,o){let t=e.trim();return t.length>=o.length&&t===o[0].repeat(t.length)}function gt(e,o){let t=fe(e,o);return t!=="text"&&(t!=="list"||/^ *(?:[-*+]|1[.)])[ \t]+\S/.test(e[o]))}function mt(e,o){let[,t,n]=W.exec(e[o]),r=t.length+2,i=!1,l=o+1;for(let a=o+1;a<e.length;a++){if(!e[a].trim()){i=!0;continue}let f=W.exec(e[a]),h=Ue(e[a])>=r,A=f&&!h&&!De.test(e[a])&&f[2].slice(-1)===n.slice(-1),y=!i&&!f&&fe(e,a)==="text";if(!h&&!A&&!y)break;i=!1,l=a+1}return l}function Ue(e){return e.length-e.trimStart().length}function he(e,o,t){switch(e.kind){case"fence":return xt(e.lines);case"heading":return ae("h4",e.lines[0].replace(je,"").trim(),o,t);case"rule":return document.createElement("hr");case"quote":{let n=document.createElement("blockquote"),r=e.lines.map(i=>i.replace(de,""));for(let i of ue(r,t+1))n.append(he(i,o,t+1));return n}case"list":return bt(e.lines,o,t);case"table":return wt(e.lines,o,t)}return ae("p",e.lines.map(n=>n.trimStart()).join(`
`).trimEnd(),o,t)}function ae(e,o,t,n){let r=document.createElement(e);return new le(r,o,t,n).draw(),r}function xt(e){let o=ce.exec(e[0])[1],t=e.length<2||!_e(e[e.length-1],o),n=document.createElement("pre"),r=document.createElement("code");return r.textContent=e.slice(1,t?void 0:-1).join(`
`),n.dir="ltr",n.tabIndex=0,n.append(r),n}function bt(e,o,t){let n=W.exec(e[0]),r=/\d/.test(n[2]),i=document.createElement(r?"ol":"ul");r&&(i.start=parseInt(n[2],10));let l=[],a=()=>{let h=document.createElement("li");ue(l,t+1).forEach((y,D)=>{let b=he(y,o,t+1);D===0&&y.kind==="text"?h.append(...b.childNodes):h.append(b)}),i.append(h)},f=0;return e.forEach((h,A)=>{let y=W.exec(h);y&&y[1].length<n[1].length+2?(A&&a(),f=y[0].length,l=[h.slice(f)]):l.push(h.slice(Math.min(Ue(h),f)))}),a(),i}function wt(e,o,t){let n=document.createElement("div"),r=document.createElement("table"),i=Be(e[1]).map(h=>h.endsWith(":")?h.startsWith(":")?"center":"end":""),l=(h,A)=>{let y=document.createElement("tr");return Be(h).slice(0,i.length).forEach((b,g)=>{let p=ae(A,b,o,t);i[g]&&(p.style.textAlign=i[g]),y.append(p)}),y},a=document.createElement("thead"),f=document.createElement("tbody");a.append(l(e[0],"th"));for(let h of e.slice(2))f.append(l(h,"td"));return r.append(a,f),n.className="scroll",n.tabIndex=0,n.append(r),n}function Be(e){let o=[],t="",n=e.trim().replace(/^\|/,"");for(let r=0;r<n.length;r++)n[r]==="\\"&&n[r+1]==="|"?t+=n[++r]:n[r]==="|"?(o.push(t.trim()),t=""):t+=n[r];return t.trim()&&o.push(t.trim()),o}var vt=/[\\`*_~[!<\n]|https?:\/\//g,yt=/\[(\d{1,3}(?: ?, ?\d{1,3}){0,9})\](?!\()/y,Ne=/\[([^[\]]{0,300})\]\( ?<?((?:[^\s<>()]|\([^\s<>()]{0,200}\)){1,2000})>?(?: +"[^"\n]{0,200}")? ?\)/y,kt=/<(https?:\/\/[^\s<>]{1,2000}|mailto:[^\s<>]{1,300})>/y,Tt=/<br ?\/?>/iy,Et=/https?:\/\/[^\s<>"'`[\]|]{1,2000}/y,j=(e,o,t)=>(e.lastIndex=t,e.exec(o)),se=e=>e!==void 0&&/[\p{L}\p{N}]/u.test(e),le=class e{constructor(o,t,n,r){this.parent=o;this.text=t;this.opts=n;this.depth=r;this.at=0;this.plain="";this.dead=new Set}draw(){for(let o;o=j(vt,this.text,this.at);)this.plain+=this.text.slice(this.at,o.index),this.at=o.index,this.special(o[0]),this.at===o.index&&this.say(o[0],o[0].length);this.plain+=this.text.slice(this.at),this.plain&&this.parent.append(this.plain)}say(o,t){this.plain+=o,this.at+=t}put(o,t){this.plain&&this.parent.append(this.plain),this.plain="",this.parent.append(o),this.at+=t}special(o){let{text:t,at:n}=this,r;switch(o){case"\\":t[n+1]===`
`?this.put(document.createElement("br"),2):/[!-/:-@[-`{-~]/.test(t[n+1]??"")&&this.say(t[n+1],2);return;case`
`:return this.plain.endsWith("  ")?(this.plain=this.plain.trimEnd(),this.put(document.createElement("br"),1)):void 0;case"`":return this.code();case"[":(r=j(yt,t,n))?this.cites(r):(r=j(Ne,t,n))&&this.link(r[1],r[2],r[0].length);return;case"!":(r=j(Ne,t,n+1))&&this.say(r[1],r[0].length+1);return;case"<":(r=j(Tt,t,n))?this.put(document.createElement("br"),r[0].length):(r=j(kt,t,n))&&this.link(r[1],r[1],r[0].length);return;case"*":case"_":case"~":return this.emphasis(o)}!se(t[n-1])&&(r=j(Et,t,n))&&this.bare(r[0])}code(){let{text:o,at:t}=this,n=1;for(;o[t+n]==="`";)n++;let r="`".repeat(n);for(let i=t+n,l=0;!this.dead.has(r);i=l){if(i=o.indexOf(r,i),i<0){this.dead.add(r);break}for(l=i+n;o[l]==="`";)l++;if(l===i+n){let a=o.slice(t+n,i),f=document.createElement("code");return f.textContent=a.startsWith(" ")&&a.endsWith(" ")&&a.trim()?a.slice(1,-1):a,this.put(f,l-t)}}this.say(r,n)}cites(o){let t=o[1].split(",").map(n=>this.opts.cite(parseInt(n,10)));if(t.some(n=>n)){for(let n of t)n&&this.put(n,0);this.at+=o[0].length}}bare(o){let t=o.replace(/[.,;:!?*_~]{1,20}$/,"");t.endsWith(")")&&!t.includes("(")&&(t=t.replace(/\)[).,;:!?]{0,20}$/,"")),this.link(t,t,t.length)}link(o,t,n){let r=this.opts.link?this.opts.link(t):null;if(!r)return this.say(!o||o===t?t:`${o} (${t})`,n);let i=document.createElement("a");i.href=r,i.target="_blank",i.rel="noopener noreferrer",o===t||this.depth>=8?i.textContent=o:new e(i,o||t,{cite:()=>null},this.depth+1).draw(),this.put(i,n)}emphasis(o){let{text:t,at:n}=this,r=1;for(;t[n+r]===o;)r++;let i=o.repeat(r);if(!(r<=3&&(o!=="~"||r===2)&&/\S/.test(t[n+r]??"")&&!(o==="_"&&se(t[n-1])))||this.depth>=8||this.dead.has(i))return this.say(i,r);for(let a=t.indexOf(i,n+r),f;a>=0;a=t.indexOf(i,f)){for(f=a+r;t[f]===o;)f++;if(!(/[^\s\\]/.test(t[a-1])&&!(o==="_"&&se(t[f])))||f!==a+r&&f!==a+3)continue;let A=document.createElement(o==="~"?"del":r===1?"em":"strong"),y=r===3?A.appendChild(document.createElement("em")):A;return new e(y,t.slice(n+r,f-r),this.opts,this.depth+1).draw(),this.put(A,f-n)}this.dead.add(i),this.say(i,r)}};function Z(e,o){let t=u("div","a"),n=u("div","below"),r=u("p","",o);r.dir="auto";let i=u("div","turn",u("div","q",r),t,n);return{id:e,question:o,state:"searching",text:"",sources:[],model:"",problem:null,root:i,answer:t,below:n,opts:{cite:be}}}function ge(e,o){e.state=o.status,e.text=o.text,e.sources=o.sources,e.model=o.model,e.problem=null}function me(e,o){e.state=o.code==="stopped"?"stopped":"failed",e.problem={message:o.message,retryAfter:o.retryAfter}}function We(e){e.state!=="failed"&&(e.id=G()),e.state="searching",e.text="",e.problem=null}function _(e){return e.state==="searching"||e.state==="writing"}function xe(e){ze(e.answer,e.text,e.opts)}function V(e,o){let t=_(e),{answer:n,below:r,sources:i}=e;e.opts=t?{cite:be,link:pe}:{cite(a){let f=i.find(A=>A.n===a);if(!f)return null;let h=H("cite",d.source(a,f.title),()=>o.open(f,h),`${a}`);return h},link:pe},xe(e),n.className=t?"a live":e.state==="fallback"?"a none":"a",n.setAttribute("aria-busy",`${t}`),r.replaceChildren(),t&&r.append(we(e.state==="searching"?d.searching:d.writing)),!t&&e.state!=="failed"&&i.length&&r.append(At(e,o));let l=Ve(e);l&&r.append(Q(l,d.retry,()=>o.retry(e),e.problem?.retryAfter)),e.state==="fallback"&&r.append(H("quiet","",()=>o.rephrase(e),d.rephrase)),e.model&&!t&&e.state!=="failed"&&r.append(u("p","by",d.answeredBy(e.model)))}function Ve(e){return e.state==="failed"?e.problem.message:e.state==="stopped"?d.stopped:e.state==="interrupted"?d.interrupted:e.state==="complete"&&!e.text.trim()?d.nothing:null}function Fe(e){let o=e.answer.cloneNode(!0);for(let t of o.querySelectorAll(".cite"))t.remove();return[o.textContent,Ve(e),e.sources.length?d.counted(e.sources.length):""].filter(t=>t).join(" ")}function be(e){return u("span","cite",`${e}`)}function At(e,o){let t=u("ol","src");t.setAttribute("aria-label",d.sources);for(let n of e.sources){let r=u("bdi","t",n.title),i=H("","",()=>o.open(n,i),be(n.n),r,u("span","p",n.page?d.page(n.page):""));t.append(u("li","",i))}return t}function we(e){return u("p","busy",u("span","spin"),e)}function Q(e,o,t,n=0){let r=H("act","",t,o),i=u("div","note",R("note"),u("p","",e),r);return n>0&&Ke(r,o,Date.now()+n*1e3),i}function Ke(e,o,t){let n=Math.ceil((t-Date.now())/1e3);e.disabled=n>0,e.textContent=n>0?d.retryIn(n>90?d.minutes(Math.ceil(n/60)):d.seconds(n)):o,n>0&&setTimeout(()=>Ke(e,o,t),500)}var Y=2e3,St=200,Mt=2,Lt=60,Ct="(max-width: 480px), (max-height: 440px)";function Ge(e,o,t,n){let r=[],i=!1,l=!1,a=null,f=null,h=H("launch","",()=>I(!0),R("ask"),d.launch),A=u("p","title",o.name),y=H("icon",d.startOver,et,R("again")),D=H("icon",d.close,M,R("close"),R("down")),b=u("div","log"),g=u("div","passage"),p=document.createElement("textarea"),w=H("send",d.send,()=>a?Se():Me(),R("send"),R("stop")),k=u("div","form",p,w),v=u("p","count"),O=u("div","sr"),T=u("section","panel",u("header","head",u("span","mark",[...o.name.trim()][0]?.toUpperCase()??"?"),u("div","",A,u("p","sub",d.subtitle)),y,D),b,g,v,k,u("p","foot",u("span","",d.foot),u("b","","BITB")),O),$=u("div",o.corner,T,h);$.style.setProperty("--brand",o.brand),$.style.setProperty("--on-brand",o.onBrand),$.dir=getComputedStyle(document.documentElement).direction,A.dir=p.dir="auto",T.hidden=g.hidden=v.hidden=!0,T.tabIndex=g.tabIndex=-1,b.tabIndex=0,p.rows=1,p.placeholder=d.ask;for(let[s,c]of[[h,{"aria-haspopup":"dialog","aria-expanded":"false"}],[T,{role:"dialog","aria-label":d.panel(o.name)}],[b,{role:"log","aria-live":"off","aria-label":d.conversation}],[p,{"aria-label":d.ask,enterkeyhint:"send",autocomplete:"off"}],[O,{role:"status","aria-live":"polite"}]])for(let m of Object.keys(c))s.setAttribute(m,c[m]);function I(s){T.hidden=!1,h.hidden=!0,h.setAttribute("aria-expanded","true"),n.set("open","1"),B(),Le(),i||C(),s&&(matchMedia("(pointer: coarse)").matches?T:p).focus()}function M(){T.hidden=!0,h.hidden=!1,h.setAttribute("aria-expanded","false"),n.set("open",null),h.focus()}function B(){let s=window.visualViewport;if(!s||T.hidden)return;let c=matchMedia(Ct).matches&&s.scale===1;T.style.height=c?`${s.height}px`:"",T.style.top=c?`${s.offsetTop}px`:""}let P={open:nt,retry:Ye,rephrase:Xe};async function C(){if(!l){l=!0,n.get("token")&&b.replaceChildren(we(d.loading)),N();try{let s=await t.history();r=[];for(let c of s){c.role==="visitor"&&r.push(Z(c.id,c.text));let m=c.role==="bot"&&(r.find(x=>x.id===c.replyTo)??r[r.length-1]);m&&ge(m,c)}F(),i=!0,X()}catch{b.replaceChildren(Q(d.noHistory,d.retry,C))}l=!1,N()}}function F(){let[s,...c]=(n.get("sent")??"").split(`
`);if(s&&!r.some(x=>x.id===s)){let x=Z(s,c.join(`
`));me(x,new S("lost",d.unsent)),r.push(x)}for(let x of r)_(x)&&x!==r[r.length-1]&&(x.state="interrupted");let m=r[r.length-1];!m||!_(m)||Ae(m,async x=>{let q=await t.answerTo(m.id,x,Lt);if(q)return q;throw new S("lost",d.interrupted)})}function X(){let s=n.get("fresh"),c=s?[]:r;for(let m of c)V(m,P);if(b.replaceChildren(...c.map(m=>m.root)),!c.length){let m=u("h2",o.greeting.length>90?"long":"",o.greeting);m.dir="auto",b.append(m,ke(o.suggestions))}s&&r.length&&b.append(Q(d.startedOver,d.undo,tt)),ee(),N(),J(!0)}function ke(s){let c=u("div","sug");for(let m of s){let x=H("","",()=>Te(m),m);x.dir="auto",c.append(x)}return c}function ee(){for(let x of b.querySelectorAll(".sug.more"))x.remove();let s=r[r.length-1];if(n.get("fresh")||!s||_(s)||s.state==="failed")return;let c=o.suggestions.filter(x=>!r.some(q=>q.question===x)).slice(0,Mt);if(!c.length)return;let m=ke(c);m.classList.add("more"),b.append(m)}function Te(s){if(a||l)return;n.get("fresh")&&(r=[]);let c=Z(G(),s);r.push(c),r.length===1&&b.replaceChildren(),b.append(c.root),K(!1),Ee(c)}function Ye(s){a||(We(s),p.focus(),Ee(s))}function Xe(s){p.value=s.question,te(),p.focus()}function Ee(s){let c=0;return n.set("sent",`${s.id}
${s.question}`),Ae(s,async m=>{n.get("fresh")&&(await t.startOver(),n.set("fresh",null));let x={stage(q){q!=="writing"||s.state==="writing"||(s.state="writing",V(s,P))},text(q){s.text=q,x.stage("writing"),c||=requestAnimationFrame(()=>{c=0,_(s)&&xe(s),J()})}};return t.ask(s.id,s.question,x,m)})}async function Ae(s,c){let m=a=new AbortController;V(s,P),ee(),N(),ne(d.searching),J(!0);try{ge(s,await c(m.signal))}catch(x){me(s,x instanceof S?x:new S("failed",d.failed))}a===m&&(a=null),s.state!=="failed"&&n.set("sent",null),V(s,P),ee(),N(),ne(Fe(s)),J()}function Se(){a?.abort()}function et(){Se(),n.set("fresh","1"),n.set("sent",null),K(!1),X(),ne(d.startedOver),p.focus()}function tt(){n.set("fresh",null),X(),p.focus()}function nt(s,c){f=c;let m=[s.page?d.pageLong(s.page):"",s.heading].filter(ot=>ot).join(" · "),x=u("blockquote","",u("span","",s.text)),q=u("h3","",s.title),$e=u("p","where",m);q.dir=$e.dir=x.dir="auto",g.replaceChildren(H("quiet","",()=>K(!0),R("back"),d.back),u("div","doc",u("span","cite",`${s.n}`),u("div","",q,$e)),x),b.hidden=!0,g.hidden=!1,g.setAttribute("role","region"),g.setAttribute("aria-label",d.source(s.n,s.title)),g.scrollTop=0,g.focus()}function K(s){g.hidden||(g.hidden=!0,b.hidden=!1,s&&f?.focus())}function Me(){let s=p.value.trim();!s||a||l||Je(p.value.trim())>Y||(p.value="",te(),Te(s))}function te(){n.set("draft",p.value||null),Le(),N()}function Le(){p.style.height="auto",p.style.height=`${p.scrollHeight}px`}function N(){let s=Je(p.value.trim()),c=s>Y;w.classList.toggle("running",!!a),w.setAttribute("aria-label",a?d.stop:d.send),w.disabled=!a&&(l||!s||c),k.classList.toggle("over",c),v.hidden=s<=Y-St,v.textContent=(c?d.tooLong:d.used)(s.toLocaleString("en"),Y.toLocaleString("en")),v.classList.toggle("over",c),y.hidden=!r.length||!!n.get("fresh")}function ne(s){O.textContent=s}function J(s=!1){let c=r[r.length-1],m=b.scrollHeight-b.clientHeight,x=c?.root.isConnected?c.root.offsetTop-b.offsetTop-12:m;(s||!Ce)&&(b.scrollTop=Math.min(m,Math.max(0,x))),Oe=b.scrollTop}let Ce=!1,Oe=0;b.addEventListener("scroll",()=>Ce=b.scrollTop<Oe-8),p.addEventListener("input",te);for(let s of["keydown","keypress"])p.addEventListener(s,c=>{c.key!=="Enter"||c.shiftKey||c.isComposing||c.keyCode===229||(c.preventDefault(),s==="keydown"&&Me())});T.addEventListener("keydown",s=>{s.key!=="Escape"||s.isComposing||(g.hidden?M():K(!0))});for(let s of["keydown","keypress","keyup"])$.addEventListener(s,c=>c.stopPropagation());window.visualViewport?.addEventListener("resize",B),window.visualViewport?.addEventListener("scroll",B),e.append($),p.value=n.get("draft")??"",N(),n.get("open")&&I(!1)}function Je(e){return[...e].length}function Ze(e){let o=Object.create(null),t=r=>r==="token"||r==="fresh"?localStorage:sessionStorage,n=r=>`bitb:${e}:${r}`;return{get(r){try{return t(r).getItem(n(r))}catch{return o[r]??null}},set(r,i){o[r]=i;try{i===null?t(r).removeItem(n(r)):t(r).setItem(n(r),i)}catch{}}}}var ve=`/* The widget's whole look. It lives in a shadow root; :host is armoured, because a page's "* { … !important }" reaches the host element
   (an !important rule inside a shadow root beats one outside). Logical properties throughout, so that dir="rtl" is enough. */
:host {
  all: initial !important;
  display: block !important;
  position: fixed !important;
  inset: auto 0 0 auto !important;
  width: 0 !important;
  height: 0 !important;
  z-index: 2147483000 !important;
}
@media print { :host { display: none !important; } }

*, *::before, *::after { box-sizing: border-box; margin: 0; padding: 0; border: 0; font: inherit; color: inherit; background: none; letter-spacing: inherit; }
button { cursor: pointer; text-align: start; -webkit-tap-highlight-color: transparent; }
button:disabled { cursor: default; }
ol { list-style: none; }
svg { width: 20px; height: 20px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
[hidden] { display: none !important; }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.left, .right {
  --ink: #1d2327; --dim: #59646b; --bg: #fff; --soft: #f4f5f6; --line: #e3e6e8; --edge: #79848a; --bad: #9b1c1c; --evidence: #fbf3b0;
  --link: color-mix(in oklch, var(--brand), #000 10%);
  font: 400 14px/21px "Inter Variable", Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans Arabic", sans-serif;
  color: var(--ink);
  color-scheme: light;
  -webkit-font-smoothing: antialiased;
  -webkit-text-size-adjust: 100%;
  text-align: start;
}
@supports (color: oklch(from red l c h)) { .left, .right { --link: oklch(from var(--brand) min(l, .48) c h); } }
@media (prefers-color-scheme: dark) {
  .left, .right {
    --ink: #eceff1; --dim: #a3adb3; --bg: #1a1e21; --soft: #262b2f; --line: #343a3f; --edge: #7f8a91; --bad: #f3a5a0; --evidence: #4b4720;
    --link: color-mix(in oklch, var(--brand), #fff 58%);
    color-scheme: dark;
  }
  @supports (color: oklch(from red l c h)) { .left, .right { --link: oklch(from var(--brand) max(l, .8) min(c, .1) h); } }
}

:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.panel:focus, .passage:focus { outline: none; }
.log:focus-visible { outline-offset: -2px; }
.head :focus-visible { outline-color: var(--on-brand); outline-offset: -2px; }

.launch {
  position: fixed; bottom: max(20px, env(safe-area-inset-bottom)); display: inline-flex; align-items: center; gap: 8px; height: 48px; padding: 0 20px 0 16px;
  border-radius: 24px; font-size: 15px; font-weight: 600; background: var(--brand); color: var(--on-brand); box-shadow: 0 8px 24px -6px rgb(0 0 0 / .35);
}
[dir="rtl"] .launch { padding: 0 16px 0 20px; }
.launch:focus-visible { outline-offset: 3px; box-shadow: 0 0 0 3px var(--bg); }
.right > * { right: 20px; }
.left > * { left: 20px; }

.panel {
  position: fixed; bottom: 20px; display: flex; flex-direction: column; overflow: hidden; width: 384px; height: min(640px, 100dvh - 40px);
  border-radius: 14px; background: var(--bg); box-shadow: 0 0 0 1px var(--line), 0 18px 48px -12px rgb(0 0 0 / .28);
}
@media (prefers-reduced-motion: no-preference) {
  .panel { animation: rise .16s ease-out; }
  @keyframes rise { from { opacity: 0; transform: translateY(8px); } }
}

.head { display: flex; align-items: center; gap: 12px; padding: 12px 8px 12px 16px; background: var(--brand); color: var(--on-brand); }
[dir="rtl"] .head { padding: 12px 16px 12px 8px; }
.mark { display: flex; flex: none; align-items: center; justify-content: center; width: 32px; height: 32px; border-radius: 8px; font-size: 15px; font-weight: 700; background: var(--on-brand); color: var(--brand); }
.head > div { flex: 1; min-width: 0; }
.title, .sub { overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.title { font-weight: 600; line-height: 18px; }
.sub { font-size: 12px; line-height: 16px; }
.icon { display: flex; flex: none; align-items: center; justify-content: center; width: 36px; height: 36px; border-radius: 8px; }
.icon:hover { background: color-mix(in srgb, currentColor 14%, transparent); }
.icon + .icon { margin-inline-start: -8px; }
.icon .down { display: none; }

.log, .passage { position: relative; flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; padding: 16px; overflow-wrap: anywhere; }
.turn + .turn { margin-top: 24px; }
h2 { font-size: 22px; line-height: 28px; font-weight: 600; letter-spacing: -.015em; text-wrap: balance; white-space: pre-line; }
h2.long { font-size: 15px; line-height: 23px; font-weight: 500; letter-spacing: 0; text-wrap: pretty; }

.q { display: flex; justify-content: flex-end; margin-bottom: 12px; }
.q p { max-width: 85%; padding: 8px 12px; border-radius: 12px; border-end-end-radius: 4px; background: var(--soft); white-space: pre-wrap; }

.a > * + *, .a li > * + *, .a blockquote > * + * { margin-top: 8px; }
.a :is(p, li) { text-wrap: pretty; }
.a h4, .a strong { font-weight: 600; }
.a em { font-style: italic; }
.a a { color: var(--link); text-decoration: underline; text-underline-offset: 2px; }
.a :is(ul, ol) { padding-inline-start: 22px; }
.a ul { list-style: disc; }
.a ol { list-style: decimal; }
.a li + li { margin-top: 4px; }
.a li::marker { color: var(--dim); }
.a code { padding: 1px 4px; border-radius: 4px; font: 12.5px/18px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; background: var(--soft); }
.a pre { overflow-x: auto; padding: 10px 12px; border-radius: 8px; background: var(--soft); }
.a pre code { padding: 0; background: none; white-space: pre; }
.a blockquote { padding-inline-start: 12px; border-inline-start: 2px solid var(--line); color: var(--dim); }
.a hr { height: 1px; background: var(--line); }
.a .scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
.a table { width: 100%; border-collapse: collapse; font-size: 13px; line-height: 18px; font-variant-numeric: tabular-nums; }
.a :is(th, td) { padding: 7px 10px; text-align: start; vertical-align: top; overflow-wrap: normal; }
.a th { font-weight: 600; white-space: nowrap; }
.a td { border-top: 1px solid var(--line); }
.none { padding: 14px; border: 1px solid var(--line); border-radius: 12px; }
.live > :last-child:not(ul, ol, pre, div)::after, .live > :is(ul, ol):last-child > li:last-child::after, .live > pre:last-child code::after {
  content: ""; display: inline-block; width: 2px; height: 15px; margin-inline-start: 3px; vertical-align: -2px; background: var(--link);
}
@media (prefers-reduced-motion: no-preference) {
  .live > *::after, .live > * > li::after, .live code::after { animation: blink 1s steps(1) infinite; }
  @keyframes blink { 50% { opacity: 0; } }
}

.cite {
  display: inline-flex; align-items: center; justify-content: center; position: relative; top: -1px; min-width: 18px; height: 18px; margin: 0 1px; padding: 0 4px; border-radius: 5px;
  font-size: 11px; line-height: 1; font-weight: 600; font-variant-numeric: tabular-nums; background: var(--soft); color: var(--link); box-shadow: inset 0 0 0 1px var(--line);
}
button.cite::after { content: ""; position: absolute; inset: -4px -2px; }
button.cite:hover { background: var(--link); color: var(--bg); }

.below > * { margin-top: 10px; }
.src { border: 1px solid var(--line); border-radius: 8px; font-size: 13px; overflow: hidden; }
.src li + li { border-top: 1px solid var(--line); }
.src button { display: flex; align-items: center; gap: 8px; width: 100%; min-height: 36px; padding: 7px 10px; }
.src button:hover { background: var(--soft); }
.src button:focus-visible { outline-offset: -2px; border-radius: 8px; }
.src .cite { top: 0; flex: none; }
.src .t { flex: 1; min-width: 0; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; text-decoration: underline; text-decoration-color: var(--line); text-underline-offset: 3px; }
.src .p { flex: none; font-size: 12px; font-variant-numeric: tabular-nums; color: var(--dim); }
.by { font-size: 12px; line-height: 16px; color: var(--dim); }
.busy { display: flex; align-items: center; gap: 8px; font-size: 13px; color: var(--dim); }
.spin { width: 14px; height: 14px; border: 2px solid var(--line); border-top-color: var(--link); border-radius: 50%; }
@media (prefers-reduced-motion: no-preference) {
  .spin { animation: turn .8s linear infinite; }
  @keyframes turn { to { transform: rotate(1turn); } }
}
.note { display: flex; flex-wrap: wrap; align-items: center; gap: 8px; padding: 8px 8px 8px 12px; border-radius: 10px; font-size: 13px; line-height: 18px; background: var(--soft); }
[dir="rtl"] .note { padding: 8px 12px 8px 8px; }
.note svg { width: 18px; height: 18px; color: var(--dim); }
.note p { flex: 1; min-width: 150px; }
.act, .quiet { display: inline-flex; align-items: center; gap: 6px; min-height: 36px; padding: 0 10px; border-radius: 8px; font-size: 13px; font-weight: 600; color: var(--link); }
.act { background: var(--bg); box-shadow: inset 0 0 0 1px var(--line); font-variant-numeric: tabular-nums; }
.act:disabled { color: var(--dim); }
.quiet { margin-inline-start: -10px; }
.act:hover:enabled, .quiet:hover { background: var(--soft); }
.note .act:hover:enabled { background: var(--line); }

.sug { display: flex; flex-direction: column; align-items: flex-start; gap: 6px; margin-top: 16px; }
.sug button { padding: 9px 12px; border: 1px solid var(--line); border-radius: 10px; font-size: 13px; line-height: 18px; font-weight: 500; color: var(--link); }
.sug button:hover { background: var(--soft); }
.sug + .note { margin-top: 20px; }

.passage { padding-top: 8px; }
.quiet svg { width: 18px; height: 18px; }
[dir="rtl"] .quiet svg.back { transform: scaleX(-1); }
.doc { display: flex; gap: 10px; margin: 8px 0 12px; }
.doc .cite { top: 1px; flex: none; }
.doc > div { flex: 1; min-width: 0; }
h3 { font-weight: 600; }
.where { font-size: 12px; line-height: 17px; color: var(--dim); }
.passage blockquote { padding-inline-start: 12px; border-inline-start: 2px solid var(--link); line-height: 23px; white-space: pre-wrap; }
.passage blockquote span { padding: 1px 2px; border-radius: 2px; background: var(--evidence); -webkit-box-decoration-break: clone; box-decoration-break: clone; }

.count { padding: 0 16px 6px; font-size: 12px; line-height: 16px; font-variant-numeric: tabular-nums; color: var(--dim); }
.count.over { color: var(--bad); }
.form { display: flex; align-items: flex-end; gap: 8px; margin: 0 12px; padding: 6px; border: 1px solid var(--edge); border-radius: 12px; }
.form:focus-within { border-color: var(--link); box-shadow: 0 0 0 1px var(--link); }
.form.over { border-color: var(--bad); box-shadow: none; }
textarea { flex: 1; min-width: 0; max-height: 132px; padding: 7px 6px; line-height: 22px; resize: none; outline: none !important; overflow-y: auto; }
textarea::placeholder { color: var(--dim); opacity: 1; }
.send { display: flex; flex: none; align-items: center; justify-content: center; width: 36px; height: 36px; border-radius: 8px; background: var(--brand); color: var(--on-brand); }
.send:disabled { background: var(--soft); color: var(--dim); }
.send .stop, .send.running .send { display: none; }
.send.running .stop { display: block; fill: currentColor; }
.foot { display: flex; justify-content: space-between; gap: 12px; padding: 7px 16px 10px; font-size: 11px; line-height: 14px; color: var(--dim); }
.foot b { font-weight: 600; }

@media (max-width: 480px), (max-height: 440px) {
  .panel { inset: 0 0 auto; width: 100%; height: 100dvh; border-radius: 0; box-shadow: none; animation: none; }
  .foot { padding-bottom: max(10px, env(safe-area-inset-bottom)); }
  .icon { width: 44px; height: 44px; }
  .head { padding-block: 8px; }
  .icon .close { display: none; }
  .icon .down { display: block; }
  textarea { font-size: 16px; }
  .send { width: 40px; height: 40px; }
  textarea { padding-block: 9px; }
}
@media (forced-colors: active) { .panel, .launch, .cite, .q p, .send { border: 1px solid; } }
`;var Qe="bitb-widget",$t=/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,Ht=[2e3,8e3],ye=document.currentScript??document.querySelector("script[data-bot][src*='/widget.js']");ye&&Pt(ye.dataset.bot??"",new URL(ye.src).origin);async function Pt(e,o){if(!$t.test(e))return console.warn(U.badBot(e));if(document.body||await new z(a=>document.addEventListener("DOMContentLoaded",a)),document.querySelector(Qe))return;let t=document.createElement(Qe),n=t.attachShadow(Object.assign(Object.create(null),{mode:"open"}));document.documentElement.append(t);let r=null,i=Ze(e),l=Re(o,e,i,()=>r??=Pe(n));try{let a=await qt(l);It(n),Ge(n,a,l,i)}catch(a){t.remove(),console.warn(Rt(a,e,o))}}async function qt(e){for(let o of Ht){try{return await e.config()}catch(t){if(t instanceof S&&t.status>=400&&t.status<500)throw t;if(await e.reachable())throw new S("origin","",403)}await new z(t=>setTimeout(t,o))}return e.config()}function Rt(e,o,t){let n=e instanceof S?e.status:0;return n===403?U.origin(location.origin):n===404?U.unknown(o):U.unreachable(t)}function It(e){try{let o=new CSSStyleSheet;o.replaceSync(ve),e.adoptedStyleSheets=[o]}catch{let o=document.createElement("style");o.textContent=ve,e.append(o)}}})();
